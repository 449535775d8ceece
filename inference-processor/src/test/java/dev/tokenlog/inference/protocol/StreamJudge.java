package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.contracts.TokenEvent.Claim;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Judges a partition of `tokens` by the reader's rules of `docs/events.md`, written down a second
/// time and on purpose without the project's own fold.
public final class StreamJudge {

    /// What a reader gets of one generation.
    public static final class Stream {
        public final List<Integer> tokens = new ArrayList<>();
        final List<String> problems = new ArrayList<>();
        final Map<Integer, String> misplaced = new LinkedHashMap<>();
        private final boolean simulated;
        public GenerationStarted start;
        String numericsId;
        public int attempt;
        int claims;
        private final Set<Integer> heard = new HashSet<>();
        public Terminal end;

        /// @param simulated whether the tokens are [SimulatedModel]'s
        public Stream(boolean simulated) {
            this.simulated = simulated;
        }

        public void take(TokenEvent event) {
            int n = event.attempt();
            if (!(event instanceof Claim) && !(event instanceof GenerationFailed)) {
                heard.add(n);
            }
            switch (event) {
                case Claim claim -> {
                    claims++;
                    if (end != null || n != attempt + 1) {
                        return;
                    }
                    attempt = n;
                    numericsId = claim.numericsId();
                    if (claim instanceof GenerationStarted started) {
                        start = started;
                    }
                    if ((claim instanceof GenerationStarted) != (n == 1)) {
                        problems.add(claim.type() + " with attempt " + n);
                    }
                }
                case TokensGenerated tokens -> {
                    if (!counts(event)) {
                        return;
                    }
                    if (tokens.index() != this.tokens.size()) {
                        misplaced.putIfAbsent(n, "index " + tokens.index() + " of attempt " + n);
                        return;
                    }
                    tokens.tokenIds().forEach(this::token);
                }
                case Terminal terminal -> {
                    if (counts(event)) {
                        end = terminal;
                    }
                }
            }
        }

        private void token(int id) {
            if (!simulated) {
                tokens.add(id);
                return;
            }
            int[] prefix = tokens.stream().mapToInt(Integer::intValue).toArray();
            int expected =
                    SimulatedModel.next(numericsId, start.seed().bits(), prefix, prefix.length);
            if (id != expected) {
                problems.add("token " + tokens.size() + " was computed from another prefix");
            }
            tokens.add(id);
        }

        private boolean counts(TokenEvent event) {
            if (end != null) {
                if (event.attempt().equals(end.attempt())) {
                    problems.add(event.type() + " after the end of its own attempt");
                }
                return false;
            }
            if (event.attempt() > attempt) {
                problems.add(event.type() + " of an attempt without a valid claim");
            }
            return event.attempt() == attempt;
        }

        /// Attempts in a row before the last one of which nobody heard anything.
        int silentBeforeTheLast() {
            int before = attempt - 1;
            while (before > 0 && !heard.contains(before)) {
                before--;
            }
            return attempt - 1 - before;
        }

        public List<String> verdict() {
            List<String> found = new ArrayList<>(problems);
            if (end == null) {
                found.add("not ended, " + tokens.size() + " tokens");
                return found;
            }
            if (misplaced.containsKey(end.attempt())) {
                found.add(misplaced.get(end.attempt()) + " and went on to the end");
            }
            String hash =
                    switch (end) {
                        case GenerationFinished finished -> finished.tokenHash();
                        case GenerationFailed failed -> failed.tokenHash();
                        case TokenEvent.GenerationCancelled cancelled -> cancelled.tokenHash();
                    };
            if (!sha256(tokens).equals(hash)) {
                found.add("hash of other tokens than the log holds");
            }
            if (end.usage().completionTokens() != tokens.size()) {
                found.add("usage counts other tokens than the log holds");
            }
            if (simulated && end instanceof GenerationFinished finished) {
                boolean stopped = !tokens.isEmpty() && SimulatedModel.isEnd(tokens.getLast());
                boolean full = tokens.size() == start.parameters().maxTokens();
                if (!(finished.reason().equals("stop") ? stopped : full)) {
                    found.add("finished before its end");
                }
            }
            return found;
        }
    }

    private StreamJudge() {}

    /// Generations by prompt offset and id.
    static Map<GenerationKey, Stream> read(List<TokenEvent> log) {
        Map<GenerationKey, Stream> streams = new LinkedHashMap<>();
        for (TokenEvent event : log) {
            streams.computeIfAbsent(
                            new GenerationKey(event.promptOffset(), event.generationId()),
                            _ -> new Stream(true))
                    .take(event);
        }
        return streams;
    }

    private static String sha256(List<Integer> ids) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * ids.size()).order(ByteOrder.LITTLE_ENDIAN);
        ids.forEach(bytes::putInt);
        try {
            return HexFormat.of()
                    .formatHex(MessageDigest.getInstance("SHA-256").digest(bytes.array()));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }
}
