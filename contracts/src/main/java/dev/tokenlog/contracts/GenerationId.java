package dev.tokenlog.contracts;

import java.util.Optional;
import java.util.UUID;
import java.util.regex.Pattern;

/// The rules for names of generations.
public final class GenerationId {

    /// Longest id, in characters.
    public static final int MAX_LENGTH = 200;

    private static final Pattern ASSIGNED = Pattern.compile("\\d+-\\d+");

    private GenerationId() {}

    /// The id of a prompt that came without one.
    public static String assigned(int partition, long promptOffset) {
        return partition + "-" + promptOffset;
    }

    /// A new id that nobody else has.
    public static String random() {
        return UUID.randomUUID().toString();
    }

    /// Why an id that a client chose is refused ([ErrorCode#INVALID_ID]); empty if it is fine.
    public static Optional<String> refusal(String id) {
        if (id.isBlank()) {
            return Optional.of("generation_id is empty");
        }
        if (id.length() > MAX_LENGTH) {
            return Optional.of(
                    "generation_id has %d characters, at most %d are allowed"
                            .formatted(id.length(), MAX_LENGTH));
        }
        if (id.chars().anyMatch(Character::isISOControl)) {
            return Optional.of("generation_id holds a control character");
        }
        if (ASSIGNED.matcher(id).matches()) {
            return Optional.of(
                    "generation_id %s has the form of an assigned id (digits-digits)"
                            .formatted(id));
        }
        return Optional.empty();
    }
}
