package dev.tokenlog.contracts;

/// What a model may be called.
public final class ModelId {

    /// In characters.
    public static final int MAX_LENGTH = 200;

    private ModelId() {}

    /// Whether a model may have this name; a prompt with any other is refused.
    public static boolean isValid(String modelId) {
        return !modelId.isBlank()
                && modelId.length() <= MAX_LENGTH
                && modelId.chars().noneMatch(Character::isISOControl);
    }
}
