package dev.tokenlog.engine.generation;

/// Learns what steps take and says how many prompt tokens may share the next one with those that
/// decode: as many as keep it within [#MIXED] times a step of theirs alone. So prompts get half of
/// the time while somebody decodes, and all of it otherwise. What is read in which step changes no
/// bit of an answer.
///
/// Steps of n tokens without a prompt have each their own time. What a prompt token adds depends on
/// how many there are (while weights come from memory, some are free), so that it is followed in
/// small steps rather than looked up. One slow step (a machine that was busy elsewhere) moves
/// either little. A number of tokens that has not been timed of late is timed once, by a step
/// without a prompt.
final class StepPace {

    /// Time of a step with a piece of a prompt, in steps without.
    static final double MIXED = 2;

    /// Steps after which a time is out of date for those that read prompts,
    static final int KNOWN_FOR = 64;

    /// and for those that only decode.
    private static final int REMEMBERED_FOR = 256;

    /// What one more token is thought to add while nothing is known about it, and how many more may
    /// be tried at once.
    private static final double UNKNOWN_TOKEN = 0.05;

    private static final int UNKNOWN_TOKENS = 2;

    /// Prompt tokens in the first mixed step, when nothing is known about their time.
    private static final int FIRST = 4;

    private static final double WEIGHT_OF_NEWS = 0.5;

    /// How much slower or quicker than expected counts.
    private static final double LARGEST_RISE = 2;

    private static final double LARGEST_FALL = 1.25;

    /// Nanoseconds of a step by its number of tokens, none of them of a prompt; 0: not known.
    private final double[] alone;

    /// The step in which that was.
    private final long[] timedAt;

    private long steps;
    private double perPromptToken;
    private boolean mixedBefore;

    /// @param mostDecoding tokens in a step without prompts, guessed ones included
    StepPace(int mostDecoding) {
        alone = new double[mostDecoding + 1];
        timedAt = new long[mostDecoding + 1];
    }

    /// @param decoding tokens of those that decode
    /// @param most prompt tokens
    /// @return 0 to `most`
    int promptTokens(int decoding, int most) {
        if (decoding == 0 || most == 0) {
            return most;
        }
        if (!isKnown(decoding, KNOWN_FOR)) {
            return 0;
        }
        if (perPromptToken == 0) {
            perPromptToken = alone[decoding] / FIRST;
        }
        return (int) Math.clamp((MIXED - 1) * alone[decoding] / perPromptToken, 1, most);
    }

    /// After a step of at least one token.
    void stepped(int decoding, int prompt, long nanos) {
        double time = Math.max(1, nanos);
        steps++;
        if (prompt == 0) {
            alone[decoding] = average(alone[decoding], time);
            timedAt[decoding] = steps;
        } else if (decoding == 0) {
            // Many prompt tokens together are quicker than few: good for a first guess only.
            if (!mixedBefore) {
                perPromptToken = average(perPromptToken, time / prompt);
            }
        } else {
            if (alone[decoding] > 0) {
                mixed(decoding, prompt, Math.max(0, time - alone[decoding]) / prompt);
            }
        }
    }

    private void mixed(int decoding, int prompt, double nanosEach) {
        boolean all = prompt >= promptTokens(decoding, Integer.MAX_VALUE);
        // The short rest of a prompt may be free: that says nothing about a whole piece.
        if (all || nanosEach > perPromptToken) {
            mixedBefore = true;
            perPromptToken = average(perPromptToken, nanosEach);
        }
    }

    /// Nanoseconds that a step of so many tokens without prompts is expected to take; 0: nothing is
    /// known that is near enough.
    double expected(int tokens) {
        for (int less = tokens; less > 0 && less >= tokens - UNKNOWN_TOKENS; less--) {
            if (isKnown(less, REMEMBERED_FOR)) {
                return alone[less] * (1 + UNKNOWN_TOKEN * (tokens - less));
            }
        }
        return 0;
    }

    private boolean isKnown(int tokens, int steps) {
        return alone[tokens] > 0 && this.steps - timedAt[tokens] < steps;
    }

    private static double average(double before, double now) {
        if (before == 0) {
            return now;
        }
        double bounded = Math.clamp(now, before / LARGEST_FALL, before * LARGEST_RISE);
        return before + WEIGHT_OF_NEWS * (bounded - before);
    }
}
