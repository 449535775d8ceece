package dev.tokenlog.cli;

import dev.tokenlog.engine.artifact.Calibration;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.calibrate.CalibrationFile;

/// A recipe of a comparison.
///
/// @param shown without the digest of the text
record ComparedRecipe(String shown, Recipe recipe) {

    private static final char CALIBRATED = '*';

    /// @param text a recipe; with `*` at its end, calibrated, with a budget of bits after it
    static ComparedRecipe parse(String text, CalibrationFile calibration, int tokens) {
        int star = text.indexOf(CALIBRATED);
        if (star < 0) {
            Recipe recipe = Recipe.parse(text);
            return new ComparedRecipe(recipe.canonical(), recipe);
        }
        Calibration.Method method = Calibration.Method.GPTQ;
        String plain = text.substring(0, star);
        Double bits = star + 1 < text.length() ? budget(text, star + 1) : null;
        Recipe recipe =
                Recipe.parse(plain)
                        .calibrated(new Calibration(method, tokens, bits, calibration.sha256()));
        String shown = plain + " " + method.label();
        return new ComparedRecipe(bits == null ? shown : shown + " " + bits + " bits", recipe);
    }

    private static double budget(String text, int from) {
        try {
            return Double.parseDouble(text.substring(from));
        } catch (NumberFormatException e) {
            throw new CommandFailure(
                    ExitStatus.USAGE, text + ": expected a number of bits after *", e);
        }
    }
}
