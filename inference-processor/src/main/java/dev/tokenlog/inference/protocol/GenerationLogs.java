package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.GenerationLog;
import dev.tokenlog.contracts.GenerationLog.Applied;
import dev.tokenlog.contracts.GenerationLog.VoidReason;
import dev.tokenlog.contracts.TokenEvent;
import java.util.HashMap;
import java.util.Map;

/// What the tokens of one partition say about the generations of its uncommitted prompts. Of one
/// that has ended only its beginning is kept: everything later about it is void.
final class GenerationLogs {

    private final Map<GenerationKey, GenerationLog> unfinished = new HashMap<>();

    /// First claims of those that have ended.
    private final Map<GenerationKey, Long> ended = new HashMap<>();

    /// The next event of this generation.
    Applied apply(GenerationKey key, long offset, TokenEvent event) {
        if (ended.containsKey(key)) {
            return new Applied.Void(VoidReason.AFTER_THE_END);
        }
        GenerationLog log = of(key);
        Applied applied = log.apply(offset, event);
        if (applied instanceof Applied.Ended) {
            unfinished.remove(key);
            ended.put(key, log.firstClaimOffset().orElse(offset));
        }
        return applied;
    }

    /// The log of a generation that has not ended; empty if nothing is known of it.
    GenerationLog of(GenerationKey key) {
        return unfinished.computeIfAbsent(
                key, k -> new GenerationLog(k.generationId(), k.promptOffset()));
    }

    boolean knows(GenerationKey key) {
        return ended.containsKey(key) || unfinished.containsKey(key);
    }

    boolean isEnded(GenerationKey key) {
        return ended.containsKey(key);
    }

    boolean isClaimed(GenerationKey key) {
        return isEnded(key) || (unfinished.containsKey(key) && unfinished.get(key).attempt() > 0);
    }

    int unfinished() {
        return unfinished.size();
    }

    /// The least first claim of the generations whose prompts stand at or behind this offset.
    long leastFirstClaim(long promptOffset, long otherwise) {
        long least = otherwise;
        for (Map.Entry<GenerationKey, GenerationLog> entry : unfinished.entrySet()) {
            if (entry.getKey().promptOffset() >= promptOffset) {
                least = Math.min(least, entry.getValue().firstClaimOffset().orElse(least));
            }
        }
        for (Map.Entry<GenerationKey, Long> entry : ended.entrySet()) {
            if (entry.getKey().promptOffset() >= promptOffset) {
                least = Math.min(least, entry.getValue());
            }
        }
        return least;
    }

    /// Forgets the generations whose prompts stand before this offset.
    void forgetBefore(long promptOffset) {
        unfinished.keySet().removeIf(key -> key.promptOffset() < promptOffset);
        ended.keySet().removeIf(key -> key.promptOffset() < promptOffset);
    }
}
