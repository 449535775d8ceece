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

    /// Only the fence stops a zombie with a claim to send: every run has one.
    @Test
    void everyScheduleHasAZombieWithAClaimToSend() {
        assertThat(IntStream.rangeClosed(1, 50).mapToObj(seed -> Schedule.of(seed, 5)))
                .allSatisfy(schedule ->
                        assertThat(schedule.workers().stream().flatMap(List::stream))
                                .anyMatch(Schedule.WorkerLife::hasClaimToSend));
    }

    /// A death there leaves nothing behind that could do harm.
    @Test
    void nobodyDiesWithAClaimToSend() {
        assertThat(Schedule.of(1, 200).workers().stream().flatMap(List::stream))
                .filteredOn(life -> life.halt() != null && life.point().equals("before-claim"))
                .hasSizeGreaterThan(5)
                .allMatch(life -> life.hasClaimToSend() && life.halt().endsWith(":stop"));
        assertThat(Schedule.lastChance("before-claim"))
                .matches(Schedule.WorkerLife::hasClaimToSend);
        assertThat(Schedule.lastChance("in-claim").end()).isEqualTo(Schedule.End.HALTED);
    }

    @Test
    void someBrokersArePausedForHalfAMinute() {
        assertThat(Schedule.of(1, 200).brokers())
                .filteredOn(fault -> fault.end() == Schedule.BrokerEnd.PAUSE)
                .anyMatch(fault -> fault.holdMillis() == 30_000)
                .anyMatch(fault -> fault.holdMillis() < 15_000);
    }
}
