package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.junit.jupiter.api.Test;

/// On machines whose times are formulas.
class StepPaceTest {

    private static final int MOST = 48;
    private static final int STEPS = 2000;

    private interface Machine {
        double nanos(int decoding, int prompt);
    }

    /// What was measured over many steps in which a prompt waits all the time.
    private record Run(double worst, double meanPrompt) {}

    private static Run run(StepPace pace, Machine machine, int decoding, int settled) {
        double worst = 0;
        double prompts = 0;
        for (int step = 0; step < STEPS; step++) {
            int prompt = pace.promptTokens(decoding, MOST);
            double nanos = machine.nanos(decoding, prompt);
            pace.stepped(decoding, prompt, (long) nanos);
            if (step >= settled) {
                worst = Math.max(worst, nanos / machine.nanos(decoding, 0));
                prompts += prompt;
            }
        }
        return new Run(worst, prompts / (STEPS - settled));
    }

    @Test
    void aStepWithAPromptTakesTwiceAStepWithout() {
        Run run = run(new StepPace(8), (d, p) -> 15e6 + 2e6 * p, 1, 3);
        assertThat(run.worst()).isLessThanOrEqualTo(2.1);
        assertThat(run.meanPrompt()).isBetween(6.0, 7.5);
    }

    @Test
    void memoryBoundStepsTakeMore() {
        // Reading the weights takes 15 ms however many tokens there are, each computes for 3 ms.
        Machine machine = (d, p) -> Math.max(15e6, 3e6 * (d + p));
        Run run = run(new StepPace(8), machine, 1, 20);
        assertThat(run.worst()).isLessThanOrEqualTo(2.3);
        assertThat(run.meanPrompt()).isBetween(7.0, 9.5);
    }

    @Test
    void aSlowModelReadsOneTokenAtATime() {
        Run run = run(new StepPace(8), (d, p) -> 100e6 * (d + p), 1, 10);
        assertThat(run.meanPrompt()).isBetween(0.9, 1.0);
    }

    @Test
    void aFastModelReadsAllThatMayBeRead() {
        Run run = run(new StepPace(8), (d, p) -> 1e6 + 1e3 * p, 3, 20);
        assertThat(run.meanPrompt()).isBetween(46.0, 48.0);
    }

    @Test
    void followsWhatChanges() {
        StepPace pace = new StepPace(8);
        run(pace, (d, p) -> 5e6 * d + 1e6 * p, 2, 20);
        Run later = run(pace, (d, p) -> 10e6 * d + 4e6 * p, 4, 300);
        assertThat(later.worst()).isLessThanOrEqualTo(2.2);
        assertThat(later.meanPrompt()).isBetween(8.5, 11.0);
    }

    @Test
    void slowStepsOfABusyMachineMoveItLittle() {
        Random random = new Random(3);
        Machine machine = (d, p) -> (15e6 + 2e6 * p) * (p > 0 && random.nextInt(50) == 0 ? 20 : 1);
        Run run = run(new StepPace(8), machine, 1, 20);
        assertThat(run.meanPrompt()).isBetween(5.0, 7.5);
    }

    @Test
    void whereNobodyDecodesPromptsGetAll() {
        StepPace pace = new StepPace(8);
        assertThat(pace.promptTokens(0, 64)).isEqualTo(64);
        pace.stepped(0, 64, 128_000_000);
        assertThat(pace.promptTokens(0, 64)).isEqualTo(64);
        // One step tells what decoding takes alone; what reading takes is known.
        assertThat(pace.promptTokens(1, MOST)).isZero();
        pace.stepped(1, 0, 15_000_000);
        assertThat(pace.promptTokens(1, MOST)).isEqualTo(7);
        assertThat(pace.promptTokens(1, 0)).isZero();
    }
}
