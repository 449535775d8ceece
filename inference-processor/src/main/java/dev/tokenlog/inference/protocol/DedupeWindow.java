package dev.tokenlog.inference.protocol;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/// Which generation an id means, in one partition. The same id again within the window, or while
/// its generation had not ended, means the same generation.
///
/// All times are append times, which the broker gives: so every owner decides alike, at any time
/// later, from the log alone.
final class DedupeWindow {

    private static final long UNKNOWN = Long.MIN_VALUE;
    private static final long NOT_ENDED = Long.MAX_VALUE;

    private static final class Entry {
        final GenerationKey key;
        long promptTime = UNKNOWN;
        long endTime = NOT_ENDED;
        OptionalLong firstClaim = OptionalLong.empty();

        Entry(GenerationKey key) {
            this.key = key;
        }
    }

    private final long windowMillis;
    private final Map<String, Entry> entries = new HashMap<>();

    /// Those that ended more than a window after their prompt.
    private final Set<Entry> longRunning = new HashSet<>();

    DedupeWindow(long windowMillis) {
        this.windowMillis = windowMillis;
    }

    /// The earlier generation that a prompt repeats.
    Optional<GenerationKey> original(GenerationKey key, long appendTime) {
        Entry entry = entries.get(key.generationId());
        if (entry == null || entry.key.promptOffset() >= key.promptOffset()) {
            return Optional.empty();
        }
        boolean within =
                entry.promptTime != UNKNOWN && appendTime - entry.promptTime <= windowMillis;
        return within || appendTime <= entry.endTime ? Optional.of(entry.key) : Optional.empty();
    }

    /// A prompt that begins a generation.
    void began(GenerationKey key, long appendTime) {
        entry(key).promptTime = appendTime;
    }

    /// A prompt of which only the past is known: committed, so its generation has ended; when, is
    /// not known unless the token topic says so.
    void past(GenerationKey key, long appendTime) {
        if (original(key, appendTime).isEmpty()) {
            Entry entry = entry(key);
            entry.promptTime = appendTime;
            entry.endTime = UNKNOWN;
        }
    }

    void claimed(GenerationKey key, long offset) {
        entry(key).firstClaim = OptionalLong.of(offset);
    }

    void ended(GenerationKey key, long appendTime) {
        Entry entry = entries.get(key.generationId());
        if (entry != null && entry.key.equals(key)) {
            entry.endTime = appendTime;
            if (entry.promptTime == UNKNOWN || appendTime - entry.promptTime > windowMillis) {
                longRunning.add(entry);
            }
        }
    }

    /// Where a reader finds the beginning of this generation, if it is known here.
    OptionalLong firstClaim(GenerationKey key) {
        Entry entry = entries.get(key.generationId());
        return entry != null && entry.key.equals(key) ? entry.firstClaim : OptionalLong.empty();
    }

    /// The least first claim of the generations that a prompt which was not read yet may repeat,
    /// though its owner would not find theirs within a window back: those that ran longer than a
    /// window and ended after the last prompt read.
    long leastNeeded(long lastPromptTime, long otherwise) {
        long least = otherwise;
        for (Entry e : longRunning) {
            if (e.endTime >= lastPromptTime) {
                least = Math.min(least, e.firstClaim.orElse(otherwise));
            }
        }
        return least;
    }

    /// Forgets what no prompt appended at this time or later can repeat.
    void forgetBefore(long promptTime, long committed) {
        entries.values().removeIf(e -> isOver(e, promptTime, committed));
        longRunning.removeIf(e -> isOver(e, promptTime, committed));
    }

    private boolean isOver(Entry e, long promptTime, long committed) {
        return e.key.promptOffset() < committed
                && e.endTime < promptTime
                && (e.promptTime == UNKNOWN || promptTime - e.promptTime > windowMillis);
    }

    int size() {
        return entries.size();
    }

    private Entry entry(GenerationKey key) {
        Entry known = entries.get(key.generationId());
        if (known != null && known.key.equals(key)) {
            return known;
        }
        Entry entry = new Entry(key);
        if (known == null || known.key.promptOffset() < key.promptOffset()) {
            entries.put(key.generationId(), entry);
        }
        return entry;
    }
}
