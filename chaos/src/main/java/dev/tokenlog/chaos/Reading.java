package dev.tokenlog.chaos;

import dev.tokenlog.client.GenerationUpdate;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/// What the readers of one generation were given: one after the other, each from the beginning,
/// because readers die as well. All have to be given the same.
final class Reading {

    /// A pause in the stream while the generation went from one attempt to the next.
    record Gap(long at, long nanos) {}

    private static final int FIRST_TOKENS = 60;

    private final String id;
    private final List<Integer> tokens = new ArrayList<>();
    private final List<String> problems = new ArrayList<>();
    private final List<Gap> gaps = new ArrayList<>();
    private int place;
    private int readers;
    private boolean ended;
    private long lastTokens;
    private boolean resumed;
    private String workerId;

    Reading(String id) {
        this.id = id;
    }

    /// A new reader, from the beginning.
    synchronized void begin() {
        readers++;
        place = 0;
        lastTokens = 0;
        resumed = false;
    }

    synchronized void take(GenerationUpdate update, long now) {
        switch (update) {
            case GenerationUpdate.Started started -> workerId = started.event().workerId();
            case GenerationUpdate.Resumed again -> {
                workerId = again.event().workerId();
                resumed = true;
            }
            case GenerationUpdate.Tokens part -> {
                if (!part.tokenIds().isEmpty()) {
                    tokens(part, now);
                }
            }
            case GenerationUpdate.Ended _ -> {
                if (place < tokens.size()) {
                    problems.add(
                            "ended after %d tokens, an earlier reader was given %d"
                                    .formatted(place, tokens.size()));
                }
                ended = true;
            }
        }
    }

    private void tokens(GenerationUpdate.Tokens part, long now) {
        if (part.index() != place) {
            problems.add("was given index %d after %d tokens".formatted(part.index(), place));
        }
        for (int id : part.tokenIds()) {
            if (place < tokens.size()) {
                if (tokens.get(place) != id) {
                    problems.add("token %d has changed".formatted(place));
                }
            } else {
                tokens.add(id);
            }
            place++;
        }
        if (resumed && lastTokens != 0) {
            gaps.add(new Gap(now, now - lastTokens));
        }
        resumed = false;
        lastTokens = now;
    }

    /// Whether the generation has got its first tokens, and not many, from this worker.
    synchronized boolean isBeginningAt(Predicate<String> worker) {
        return !ended
                && workerId != null
                && place > 0
                && place < FIRST_TOKENS
                && worker.test(workerId);
    }

    synchronized void problem(String text) {
        problems.add(text);
    }

    String id() {
        return id;
    }

    synchronized List<Integer> tokens() {
        return List.copyOf(tokens);
    }

    synchronized List<String> problems() {
        return List.copyOf(problems);
    }

    synchronized List<Gap> gaps() {
        return List.copyOf(gaps);
    }

    synchronized boolean ended() {
        return ended;
    }

    synchronized int readers() {
        return readers;
    }
}
