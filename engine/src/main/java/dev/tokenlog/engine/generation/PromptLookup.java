package dev.tokenlog.engine.generation;

import java.util.Arrays;
import java.util.function.Supplier;

/// Guesses how a text goes on: as it did where its last tokens stood before (prompt lookup, "Prompt
/// Lookup Decoding", Saxena 2023). A guess changes no token: it is only computed ahead of the
/// sampler's choice, and forgotten unless that is the same.
///
/// The place is the one where most tokens before it are the same, the last one of equals. How often
/// guesses come true is counted by the number of equal tokens, whether they are computed or not, so
/// that a text that begins to repeat itself is noticed. A generation begins with what those before
/// it have found.
final class PromptLookup {

    /// Fewest equal tokens.
    private static final int SHORTEST = 2;

    /// More equal tokens are no better.
    private static final int LONGEST = 8;

    /// How far it looks back.
    private static final int REACH = 1 << 14;

    private static final double FIRST_RATE = 0.5;
    private static final double WEIGHT_OF_NEWS = 0.1;
    private static final double WEIGHT_FOR_ALL = 0.01;

    private final int[] guess;
    private int size;
    private int next;
    private int equal;
    private final double[] rates;

    /// Those of all generations.
    private final double[] common;

    private PromptLookup(int most, double[] common) {
        this.guess = new int[most];
        this.common = common;
        this.rates = common.clone();
    }

    /// For generations of one loop.
    ///
    /// @param most tokens of a guess
    static Supplier<PromptLookup> upTo(int most) {
        double[] common = new double[LONGEST + 1];
        Arrays.fill(common, FIRST_RATE);
        return () -> new PromptLookup(most, common);
    }

    /// Guesses what follows `text[0..length)`.
    void look(int[] text, int length) {
        clear();
        int place = 0;
        equal = SHORTEST - 1;
        for (int end = length - 1; end >= Math.max(1, length - REACH); end--) {
            if (text[end - 1] == text[length - 1]) {
                int found = equalBefore(text, end, length);
                if (found > equal) {
                    equal = found;
                    place = end;
                    if (found == LONGEST) {
                        break;
                    }
                }
            }
        }
        if (place > 0) {
            // A guess that reaches the end of the text goes on in itself.
            for (; size < guess.length; size++) {
                int from = place + size;
                guess[size] = from < length ? text[from] : guess[from - length];
            }
        }
    }

    private static int equalBefore(int[] text, int end, int length) {
        int count = 0;
        while (count < LONGEST
                && count < end
                && text[end - 1 - count] == text[length - 1 - count]) {
            count++;
        }
        return count;
    }

    void clear() {
        size = 0;
        next = 0;
    }

    /// Tokens of the guess; 0 if there is none.
    int size() {
        return size;
    }

    int token(int index) {
        return guess[index];
    }

    /// How likely the next token of a guess is right, if those before it are.
    double rate() {
        return rates[equal];
    }

    /// Learns which token has been chosen.
    ///
    /// @return whether it was the next one of the guess, after others that were right
    boolean confirm(int token) {
        if (next >= size) {
            return false;
        }
        boolean right = guess[next] == token;
        rates[equal] += WEIGHT_OF_NEWS * ((right ? 1 : 0) - rates[equal]);
        common[equal] += WEIGHT_FOR_ALL * ((right ? 1 : 0) - common[equal]);
        next = right ? next + 1 : size;
        return right;
    }
}
