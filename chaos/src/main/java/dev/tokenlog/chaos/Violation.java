package dev.tokenlog.chaos;

/// A promise that was not kept.
///
/// @param invariant which, in a word or two
/// @param subject the generation, conversion or model
/// @param text what was found
record Violation(String invariant, String subject, String text) {

    @Override
    public String toString() {
        return invariant + ": " + subject + ": " + text;
    }
}
