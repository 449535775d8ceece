package dev.tokenlog.inference.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TokenGroupsTest {

    /// A clock with at most one timer.
    private static final class OneTimer implements ProtocolClock {
        private long now;
        private long millis;
        private Runnable task;

        @Override
        public long now() {
            return now;
        }

        @Override
        public Cancellable after(long after, Runnable then) {
            assertThat(task).isNull();
            millis = after;
            task = then;
            return () -> task = null;
        }

        void passes() {
            Runnable now = task;
            task = null;
            now.run();
        }
    }

    private final OneTimer clock = new OneTimer();
    private final List<String> sent = new ArrayList<>();
    private int running = 1;
    private final TokenGroups groups = new TokenGroups(clock, Duration.ofMillis(25), () -> running);

    @Test
    void whatWaitsIsSentTogetherInTheOrderInWhichItCame() {
        Runnable a = () -> sent.add("a");
        Runnable b = () -> sent.add("b");
        groups.add(a);
        groups.add(b);
        groups.add(a);
        assertThat(sent).isEmpty();
        clock.passes();
        assertThat(sent).containsExactly("a", "b");
        groups.add(b);
        clock.passes();
        assertThat(sent).containsExactly("a", "b", "b");
    }

    @Test
    void whoHasSentOtherwiseIsNotAsked() {
        Runnable a = () -> sent.add("a");
        Runnable b = () -> sent.add("b");
        groups.add(a);
        groups.add(b);
        groups.remove(a);
        clock.passes();
        assertThat(sent).containsExactly("b");
        groups.add(a);
        groups.remove(a);
        groups.remove(a);
        assertThat(clock.task).isNull();
    }

    @Test
    void whoSendsMayWaitAgain() {
        Runnable[] again = new Runnable[1];
        again[0] =
                () -> {
                    sent.add("a");
                    groups.remove(again[0]);
                    groups.add(again[0]);
                };
        groups.add(again[0]);
        clock.passes();
        clock.passes();
        assertThat(sent).containsExactly("a", "a");
    }

    /// Steps of 10 ms, an interval of 25: the end of the second step after is nearer than that of
    /// the third.
    @Test
    void whatWaitsIsSentAtTheEndOfTheStepThatIsNearest() {
        clock.now = 1_000;
        groups.stepEnded();
        Runnable a = () -> sent.add(clock.now + "");
        clock.now = 1_010;
        groups.add(a);
        groups.stepEnded();
        clock.now = 1_020;
        groups.stepEnded();
        assertThat(sent).isEmpty();
        clock.now = 1_030;
        groups.stepEnded();
        assertThat(sent).containsExactly("1030");
        assertThat(clock.task).isNull();
        groups.stepEnded();
        assertThat(sent).hasSize(1);
    }

    @Test
    void whereStepsTakeLongerNothingWaitsForTheNext() {
        clock.now = 1_000;
        groups.stepEnded();
        clock.now = 1_030;
        groups.add(() -> sent.add("a"));
        groups.stepEnded();
        assertThat(sent).containsExactly("a");
    }

    @Test
    void whereNoStepEndsTheTimerSends() {
        groups.stepEnded();
        clock.now = 10;
        groups.stepEnded();
        groups.add(() -> sent.add("a"));
        assertThat(clock.millis).isEqualTo(30);
        clock.passes();
        assertThat(sent).containsExactly("a");
    }

    @Test
    void theMoreRunTheLongerTheyWait() {
        int[] generations = {0, 1, 2, 3, 4, 8, 16};
        long[] millis = {25, 25, 25, 50, 50, 100, 100};
        for (int i = 0; i < generations.length; i++) {
            running = generations[i];
            groups.add(() -> {});
            assertThat(clock.millis).isEqualTo(millis[i]);
            clock.passes();
        }
    }
}
