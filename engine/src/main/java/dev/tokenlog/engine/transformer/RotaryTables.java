package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import java.util.ArrayList;
import java.util.List;

/// The rotary tables of a model: shared by all sequences where the length of the text does not
/// matter, chosen or made for a sequence where it does
/// (`docs/decisions/0081-rotary-factors-that-depend-on-the-length.md`).
final class RotaryTables {

    private final List<Rotary> rotaries = new ArrayList<>();
    private final RotaryTable[] shared;

    /// Of those rotaries that have other factors for long texts; null elsewhere.
    private final RotaryTable[] ofLongTexts;

    RotaryTables(ModelPlan plan) {
        rotaries.add(plan.rotary());
        rotaries.addAll(plan.otherRotaries());
        shared = new RotaryTable[rotaries.size()];
        ofLongTexts = new RotaryTable[rotaries.size()];
        for (int i = 0; i < shared.length; i++) {
            Rotary rotary = rotaries.get(i);
            shared[i] = table(rotary, rotary.inverseFrequencies());
            if (hasLongTexts(rotary)) {
                ofLongTexts[i] = table(rotary, rotary.longInverseFrequencies());
            }
        }
    }

    private static boolean isDynamic(Rotary rotary) {
        return rotary.dynamicBase() != 0;
    }

    private static boolean hasLongTexts(Rotary rotary) {
        return !rotary.longInverseFrequencies().isEmpty();
    }

    private static RotaryTable table(Rotary rotary, List<Double> frequencies) {
        return new RotaryTable(frequencies, rotary.attentionFactor());
    }

    /// NTK: the base grows with the text, `theta · (f · n/c − (f − 1))^(d/(d−2))` for n tokens, an
    /// original context of c and a factor f.
    private static RotaryTable dynamic(Rotary rotary, int tokens) {
        double dimensions = rotary.dimensions();
        double factor = rotary.dynamicFactor();
        double growth = factor * tokens / rotary.originalContext() - (factor - 1);
        double base = rotary.dynamicBase() * StrictMath.pow(growth, dimensions / (dimensions - 2));
        List<Double> frequencies = new ArrayList<>();
        for (int pair = 0; pair < rotary.dimensions() / 2; pair++) {
            frequencies.add(1 / StrictMath.pow(base, 2 * pair / dimensions));
        }
        return table(rotary, frequencies);
    }

    /// Whether texts of these lengths are rotated by the same factors.
    boolean alike(int tokens, int others) {
        for (Rotary rotary : rotaries) {
            int original = rotary.originalContext();
            if (isDynamic(rotary) && Math.max(tokens, original) != Math.max(others, original)
                    || hasLongTexts(rotary) && tokens > original != others > original) {
                return false;
            }
        }
        return true;
    }

    /// Whether tables for texts of this length are kept: others are made for one length.
    boolean areShared(int tokens) {
        return rotaries.stream().noneMatch(r -> isDynamic(r) && tokens > r.originalContext());
    }

    /// Most tokens of a text that is rotated like one of this length.
    int longest(int tokens) {
        int longest = Integer.MAX_VALUE;
        for (Rotary rotary : rotaries) {
            int original = rotary.originalContext();
            if (isDynamic(rotary)) {
                longest = Math.min(longest, Math.max(tokens, original));
            } else if (hasLongTexts(rotary) && tokens <= original) {
                longest = Math.min(longest, original);
            }
        }
        return longest;
    }

    /// The tables for a text, in the order of the plan's rotaries.
    RotaryTable[] of(int tokens) {
        RotaryTable[] tables = shared.clone();
        for (int i = 0; i < tables.length; i++) {
            Rotary rotary = rotaries.get(i);
            boolean within = tokens <= rotary.originalContext();
            if (hasLongTexts(rotary) && !within) {
                tables[i] = ofLongTexts[i];
            } else if (isDynamic(rotary) && !within) {
                tables[i] = dynamic(rotary, tokens);
            }
        }
        return tables;
    }
}
