package dev.tokenlog.inference.protocol;

import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// Cancels asked for, by generation id. Kept for `max-age`, whether the id is known or not: the
/// prompt may come later, or to another partition of this worker.
final class Cancels {

    private record Cancel(String reason, long at) {}

    private final long maxAgeMillis;
    private final Map<String, Cancel> cancels = new HashMap<>();

    Cancels(long maxAgeMillis) {
        this.maxAgeMillis = maxAgeMillis;
    }

    void add(String generationId, String reason, long at) {
        cancels.put(generationId, new Cancel(reason, at));
    }

    Optional<String> reason(String generationId) {
        return Optional.ofNullable(cancels.get(generationId)).map(Cancel::reason);
    }

    void forgetOld(long now) {
        cancels.values().removeIf(cancel -> now - cancel.at() > maxAgeMillis);
    }
}
