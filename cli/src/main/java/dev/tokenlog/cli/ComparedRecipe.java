package dev.tokenlog.cli;

import dev.tokenlog.engine.artifact.Calibration;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.calibrate.CalibrationFile;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// A recipe of a comparison.
///
/// @param plain without calibration
/// @param method of calibration; empty: none
/// @param recipe with the digest of the text
record ComparedRecipe(String plain, String method, Recipe recipe) {

    private static final Pattern CALIBRATED =
            Pattern.compile("(?<plain>[^*]*)\\*(?<method>[a-z]+(-[a-z]+)*)?(?<bits>[0-9.]+)?");

    /// @param text a recipe; with `*` at its end, calibrated, with a method (or gptq) and a budget
    ///   of bits (or none) after it
    static ComparedRecipe parse(String text, CalibrationFile calibration, int tokens) {
        if (text.indexOf('*') < 0) {
            Recipe recipe = Recipe.parse(text);
            return new ComparedRecipe(recipe.canonical(), "", recipe);
        }
        Matcher matcher = CALIBRATED.matcher(text);
        if (!matcher.matches()) {
            throw CommandFailure.usage(
                    text + ": expected a method or a number of bits after *, or nothing");
        }
        Calibration.Method method =
                matcher.group("method") == null
                        ? Calibration.Method.GPTQ
                        : Calibration.methodOf(matcher.group("method"));
        String plain = matcher.group("plain");
        Double bits = matcher.group("bits") == null ? null : budget(text, matcher.group("bits"));
        Recipe recipe =
                Recipe.parse(plain)
                        .calibrated(new Calibration(method, tokens, bits, calibration.sha256()));
        return new ComparedRecipe(
                bits == null ? plain : plain + " " + bits + " bits", method.label(), recipe);
    }

    private static double budget(String text, String bits) {
        try {
            return Double.parseDouble(bits);
        } catch (NumberFormatException e) {
            throw new CommandFailure(
                    ExitStatus.USAGE, text + ": expected a number of bits after *", e);
        }
    }

    /// Without the digest of the text.
    String shown() {
        return method.isEmpty() ? plain : plain + " " + method;
    }
}
