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

    /// Mixed steps after which the time of those without is out of date.
    static final int KNOWN_FOR = 64;

    /// Prompt tokens in the first mixed step, when nothing is known about their time.
    private static final int FIRST = 4;

    private static final double WEIGHT_OF_NEWS = 0.5;

    /// How much slower or quicker than expected counts.
    private static final double LARGEST_RISE = 2;

    private static final double LARGEST_FALL = 1.25;

    /// Nanoseconds of a step by its number of tokens, none of them of a prompt; 0: not known.
    private final double[] alone;

    /// Mixed steps since.
    private final int[] age;

    private double perPromptToken;
    private boolean mixedBefore;

    /// @param mostDecoding tokens in a step without prompts
    StepPace(int mostDecoding) {
        alone = new double[mostDecoding + 1];
        age = new int[mostDecoding + 1];
    }

    /// @param decoding tokens of those that decode
    /// @param most prompt tokens
    /// @return 0 to `most`
    int promptTokens(int decoding, int most) {
        if (decoding == 0 || most == 0) {
            return most;
        }
        if (alone[decoding] == 0 || age[decoding] >= KNOWN_FOR) {
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
        if (prompt == 0) {
            alone[decoding] = average(alone[decoding], time);
            age[decoding] = 0;
        } else if (decoding == 0) {
            // Many prompt tokens together are quicker than few: good for a first guess only.
            if (!mixedBefore) {
                perPromptToken = average(perPromptToken, time / prompt);
            }
        } else {
            age[decoding]++;
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

    /// Nanoseconds of a step of this many tokens without prompts; 0: not known.
    double alone(int decoding) {
        return alone[decoding];
    }

    private static double average(double before, double now) {
        if (before == 0) {
            return now;
        }
        double bounded = Math.clamp(now, before / LARGEST_FALL, before * LARGEST_RISE);
        return before + WEIGHT_OF_NEWS * (bounded - before);
    }
}
