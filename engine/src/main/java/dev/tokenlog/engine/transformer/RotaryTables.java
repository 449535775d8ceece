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
            shared[i] =
                    isDynamic(rotary)
                            ? dynamic(rotary, rotary.originalContext())
                            : fixed(rotary, rotary.inverseFrequencies());
            if (hasLongTexts(rotary)) {
                ofLongTexts[i] = fixed(rotary, rotary.longInverseFrequencies());
            }
        }
    }

    private static boolean isDynamic(Rotary rotary) {
        return rotary.dynamicBase() != 0;
    }

    private static boolean hasLongTexts(Rotary rotary) {
        return !rotary.longInverseFrequencies().isEmpty();
    }

    private static RotaryTable fixed(Rotary rotary, List<Double> frequencies) {
        return new RotaryTable(
                frequencies.size(),
                rotary.attentionFactor(),
                (position, pair) -> frequencies.get(pair));
    }

    /// NTK: a position is rotated as in a text that ends with it, or with the prompt it belongs to.
    private static RotaryTable dynamic(Rotary rotary, int prompt) {
        int dimensions = rotary.dimensions();
        double original = rotary.originalContext();
        return new RotaryTable(
                rotary.inverseFrequencies().size(),
                rotary.attentionFactor(),
                (position, pair) -> {
                    double length = Math.max(prompt, position + 1);
                    if (length <= original) {
                        return rotary.inverseFrequencies().get(pair);
                    }
                    double factor = rotary.dynamicFactor();
                    double growth = factor * length / original - (factor - 1);
                    double base =
                            rotary.dynamicBase()
                                    * StrictMath.pow(growth, dimensions / (dimensions - 2.0));
                    return 1 / StrictMath.pow(base, 2.0 * pair / dimensions);
                });
    }

    /// Whether texts of these lengths are rotated by the same factors.
    boolean alike(int tokens, int others) {
        for (Rotary rotary : rotaries) {
            if (hasLongTexts(rotary)
                    && tokens > rotary.originalContext() != others > rotary.originalContext()) {
                return false;
            }
        }
        return true;
    }

    /// Most tokens of a text that is rotated like one of this length.
    int longest(int tokens) {
        int longest = Integer.MAX_VALUE;
        for (Rotary rotary : rotaries) {
            if (hasLongTexts(rotary) && tokens <= rotary.originalContext()) {
                longest = Math.min(longest, rotary.originalContext());
            }
        }
        return longest;
    }

    /// The tables for a text, in the order of the plan's rotaries.
    RotaryTable[] of(int promptTokens, int tokens) {
        RotaryTable[] tables = shared.clone();
        for (int i = 0; i < tables.length; i++) {
            Rotary rotary = rotaries.get(i);
            if (hasLongTexts(rotary) && tokens > rotary.originalContext()) {
                tables[i] = ofLongTexts[i];
            } else if (isDynamic(rotary) && promptTokens > rotary.originalContext()) {
                tables[i] = dynamic(rotary, promptTokens);
            }
        }
        return tables;
    }
}
