package dev.tokenlog.engine.generation;

import java.util.List;

/// Decides how many guessed tokens are worth computing in a step: those that make most tokens per
/// second of it, by how often guesses came true and by what steps of so many tokens have taken. A
/// step that waits for weights from memory has some tokens to spare; one that is full has none.
final class Speculation {

    /// What must be gained to be believed.
    private static final double LEAST_GAIN = 1.02;

    /// How much slower guesses may make a generation that has none.
    private static final double MOST_DELAY = 1.1;

    private final StepPace pace;
    private final int most;
    private final int[] chosen;
    private final double[] expected;
    private final double[] last;

    /// @param most guessed tokens in a step
    Speculation(StepPace pace, int sequences, int most) {
        this.pace = pace;
        this.most = most;
        this.chosen = new int[most];
        this.expected = new double[sequences];
        this.last = new double[sequences];
    }

    /// Sets the number of guessed tokens of each generation in the next step. No prompt is read in
    /// it.
    void choose(List<Generation> decoding, int room) {
        int count = decoding.size();
        boolean any = false;
        for (int i = 0; i < count; i++) {
            any |= decoding.get(i).guess() > 0;
            expected[i] = 1;
            last[i] = 1;
        }
        if (!any || pace.expected(count) == 0) {
            return; // what a step takes without guesses must be known first
        }
        int best = best(decoding, Math.min(most, room));
        for (int i = 0; i < best; i++) {
            decoding.get(chosen[i]).draftOneMore();
        }
    }

    /// Takes the likeliest tokens one by one.
    ///
    /// @return how many of those in `chosen` to compute
    private int best(List<Generation> decoding, int room) {
        int count = decoding.size();
        double alone = pace.expected(count);
        double tokens = count;
        double bestRate = LEAST_GAIN * count / alone;
        int best = 0;
        for (int drafts = 1; drafts <= room; drafts++) {
            int next = likeliest(decoding, drafts - 1);
            double time = pace.expected(count + drafts);
            if (next < 0 || time == 0) {
                break;
            }
            chosen[drafts - 1] = next;
            last[next] *= decoding.get(next).acceptance();
            expected[next] += last[next];
            tokens += last[next];
            boolean delays = least(count) < time / alone / MOST_DELAY;
            if (!delays && tokens / time > bestRate) {
                bestRate = tokens / time;
                best = drafts;
            }
        }
        return best;
    }

    private int likeliest(List<Generation> decoding, int drafts) {
        int best = -1;
        double likely = 0;
        for (int i = 0; i < decoding.size(); i++) {
            int taken = 0;
            for (int j = 0; j < drafts; j++) {
                taken += chosen[j] == i ? 1 : 0;
            }
            double rate = last[i] * decoding.get(i).acceptance();
            if (taken < decoding.get(i).guessed() && rate > likely) {
                best = i;
                likely = rate;
            }
        }
        return best;
    }

    private double least(int count) {
        double least = expected[0];
        for (int i = 1; i < count; i++) {
            least = Math.min(least, expected[i]);
        }
        return least;
    }
}
