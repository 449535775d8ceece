package dev.tokenlog.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ScheduleTest {

    @Test
    void theSameSeedGivesTheSameSchedule() {
        assertThat(Schedule.of(7, 200)).isEqualTo(Schedule.of(7, 200));
        assertThat(Schedule.of(8, 200)).isNotEqualTo(Schedule.of(7, 200));
    }

    @Test
    void asManyDieAsAreAskedFor() {
        assertThat(IntStream.of(5, 20, 50, 200, 1_000))
                .allSatisfy(kills -> assertThat(Schedule.of(1, kills).kills()).isEqualTo(kills));
    }

    /// While their prompt is on the way, and while they read.
    @Test
    void clientsDieAsWell() {
        assertThat(Schedule.of(1, 20).clients())
                .hasSize(2)
                .anyMatch(kill -> kill.updates() == 0)
                .anyMatch(kill -> kill.updates() > 0);
    }

    @Test
    void fortyKillsPassEveryHaltPoint() {
        List<String> points =
                Schedule.of(1, 40).workers().stream()
                        .flatMap(List::stream)
                        .filter(life -> life.halt() != null)
                        .map(life -> life.halt().split(":")[0])
                        .distinct()
                        .toList();
        assertThat(points).hasSize(9);
    }

    /// A zombie with a claim to send is the only one that the fence alone stops: every run has one.
    @Test
    void everyScheduleHasAZombieWithAClaimToSend() {
        assertThat(IntStream.rangeClosed(1, 50).mapToObj(seed -> Schedule.of(seed, 5)))
                .allSatisfy(schedule ->
                        assertThat(schedule.workers().stream().flatMap(List::stream))
                                .anyMatch(ScheduleTest::isZombieWithAClaim));
    }

    private static boolean isZombieWithAClaim(Schedule.WorkerLife life) {
        return life.end() == Schedule.End.ZOMBIE && life.halt().startsWith("before-claim:");
    }

    @Test
    void someBrokersArePausedForHalfAMinute() {
        assertThat(Schedule.of(1, 200).brokers())
                .filteredOn(fault -> fault.end() == Schedule.BrokerEnd.PAUSE)
                .anyMatch(fault -> fault.holdMillis() == 30_000)
                .anyMatch(fault -> fault.holdMillis() < 15_000);
    }
}
