package dev.tokenlog.contracts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.contracts.GenerationLog.Applied;
import dev.tokenlog.contracts.GenerationLog.ValidClaim;
import dev.tokenlog.contracts.GenerationLog.VoidReason;
import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationResumed;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// The claim rules, by hand and against an independent statement of them.
class GenerationLogTest {

    private static final String ID = "g";
    private static final long PROMPT = 41;

    private final GenerationLog log = new GenerationLog(ID, PROMPT);
    private long offset = 100;

    @Test
    void anUndisturbedGeneration() {
        assertThat(apply(started("a"))).isInstanceOf(Applied.Claimed.class);
        assertThat(apply(tokens(1, 0, 5))).isInstanceOf(Applied.Extended.class);
        assertThat(apply(tokens(1, 1, 6, 7))).isInstanceOf(Applied.Extended.class);
        assertThat(apply(finished(1))).isInstanceOf(Applied.Ended.class);

        assertThat(log.tokens()).containsExactly(5, 6, 7);
        assertThat(log.ended()).isTrue();
        assertThat(log.firstClaimOffset()).hasValue(100);
        assertThat(log.endOffset()).hasValue(103);
        assertThat(log.started()).isPresent();
        assertThat(log.heldBy("a", 1)).isTrue();
        // printf '\5\0\0\0\6\0\0\0\7\0\0\0' | sha256sum
        assertThat(log.tokenHash())
                .isEqualTo("2e4c4603cb0dea8636f8e802bfa0f24caef5f9943377f91d89fd6fbd9577cd1c");
    }

    @Test
    void theSecondOfTwoClaimsOfTheSameAttemptIsVoid() {
        apply(started("a"));
        assertVoid(started("b"), VoidReason.NOT_THE_NEXT_ATTEMPT);

        assertThat(log.heldBy("a", 1)).isTrue();
        assertThat(log.heldBy("b", 1)).isFalse();
        assertThat(log.nextAttempt()).isEqualTo(2);
    }

    @Test
    void aZombieWritesInVain() {
        apply(started("a"));
        apply(tokens(1, 0, 5));
        apply(resumed(2, "b"));

        assertVoid(tokens(1, 1, 6), VoidReason.NOT_THE_HOLDER);
        assertVoid(finished(1), VoidReason.NOT_THE_HOLDER);
        apply(tokens(2, 1, 9));
        apply(finished(2));
        assertVoid(tokens(2, 2, 9), VoidReason.AFTER_THE_END);
        assertVoid(resumed(3, "a"), VoidReason.AFTER_THE_END);
        assertVoid(finished(2), VoidReason.AFTER_THE_END);

        assertThat(log.tokens()).containsExactly(5, 9);
        assertThat(log.attempt()).isEqualTo(2);
        assertThat(log.claims()).extracting(ValidClaim::index).containsExactly(0, 1);
    }

    @Test
    void tokensThatDoNotBeginWhereTheValidOnesEndAreVoid() {
        apply(started("a"));
        apply(tokens(1, 0, 5, 6));

        assertVoid(tokens(1, 1, 6), VoidReason.NOT_THE_NEXT_INDEX);
        assertVoid(tokens(1, 3, 8), VoidReason.NOT_THE_NEXT_INDEX);
        assertThat(log.tokens()).containsExactly(5, 6);
    }

    @Test
    void nothingCountsBeforeTheFirstClaim() {
        assertVoid(tokens(1, 0, 5), VoidReason.NOT_THE_HOLDER);
        assertVoid(tokens(0, 0, 5), VoidReason.NOT_THE_HOLDER);
        assertVoid(finished(0), VoidReason.NOT_THE_HOLDER);
        assertVoid(resumed(2, "b"), VoidReason.NOT_THE_NEXT_ATTEMPT);
        assertVoid(resumed(0, "b"), VoidReason.NOT_THE_NEXT_ATTEMPT);

        assertThat(log.attempt()).isZero();
        assertThat(log.holder()).isEmpty();
        assertThat(log.firstClaimOffset()).isEmpty();
    }

    @Test
    void attemptsWithoutASignOfLifeAreCounted() {
        apply(started("a"));
        apply(resumed(2, "b"));
        assertThat(log.silentAttempts()).isEqualTo(2);
        assertThat(log.silentAttemptsBefore(2)).isEqualTo(1);

        // A hand-over without a token yet says so, and a void event of an attempt is life too.
        apply(tokens(2, 0));
        assertThat(log.silentAttempts()).isZero();
        apply(resumed(3, "c"));
        apply(resumed(4, "d"));
        apply(resumed(5, "e"));
        assertThat(log.silentAttempts()).isEqualTo(3);
        assertThat(log.silentAttemptsBefore(5)).isEqualTo(2);
        apply(tokens(4, 7, 1));
        assertThat(log.silentAttempts()).isEqualTo(1);
        assertThat(log.silentAttemptsBefore(5)).isZero();
    }

    @Test
    void aFailureIsNoSignOfLifeButACancellationIs() {
        apply(started("a"));
        apply(resumed(2, "b"));
        assertVoid(failed(1), VoidReason.NOT_THE_HOLDER);
        assertThat(log.silentAttempts()).isEqualTo(2);
        assertVoid(cancelled(1), VoidReason.NOT_THE_HOLDER);
        assertThat(log.silentAttempts()).isEqualTo(1);
    }

    @Test
    void thePromptHashIsThatOfTheFirstValidTokensWhichHaveOne() {
        apply(started("a"));
        apply(tokens(1, 0));
        assertThat(log.promptHash()).isEmpty();
        apply(new TokensGenerated(ID, PROMPT, 1, 0, List.of(5), "", null, 23, "hash"));
        assertThat(log.promptHash()).contains("hash");
    }

    @Test
    void anotherGenerationsEventAndAnEarlierOffsetAreCallersMistakes() {
        apply(started("a"));
        assertThatThrownBy(() ->
                        log.apply(
                                offset,
                                new TokensGenerated(
                                        ID, PROMPT + 1, 1, 0, List.of(), "", null, null, null)))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> log.apply(100, tokens(1, 0, 5)))
                .isInstanceOf(IllegalArgumentException.class);
    }

    /// The rules once more, stated from the whole log and not as a fold: which of these events are
    /// valid, found by walking back for each.
    private static List<Integer> validTokens(List<TokenEvent> events, List<Integer> holders) {
        List<Integer> tokens = new ArrayList<>();
        int attempt = 0;
        boolean ended = false;
        for (TokenEvent event : events) {
            String type = event.type();
            boolean claim = type.equals("GenerationStarted") || type.equals("GenerationResumed");
            if (ended) {
                continue;
            }
            if (claim && event.attempt() == attempt + 1) {
                attempt++;
            } else if (!claim && attempt > 0 && event.attempt() == attempt) {
                if (event instanceof TokensGenerated generated) {
                    if (generated.index() == tokens.size()) {
                        tokens.addAll(generated.tokenIds());
                    }
                } else {
                    ended = true;
                }
            }
        }
        holders.add(attempt);
        holders.add(ended ? 1 : 0);
        return tokens;
    }

    /// Silent attempts as the model checker of the protocol states them: the valid claims without a
    /// later sign of life.
    private static int silent(List<TokenEvent> events) {
        List<Integer> silent = new ArrayList<>();
        int attempt = 0;
        boolean ended = false;
        for (TokenEvent event : events) {
            switch (event.type()) {
                case "GenerationStarted", "GenerationResumed" -> {
                    if (!ended && event.attempt() == attempt + 1) {
                        attempt++;
                        silent.add(attempt);
                    }
                }
                case "TokensGenerated", "GenerationFinished", "GenerationCancelled" -> {
                    silent.remove(event.attempt());
                    ended |=
                            !event.type().equals("TokensGenerated")
                                    && event.attempt() == attempt
                                    && attempt > 0;
                }
                default -> ended |= event.attempt() == attempt && attempt > 0;
            }
        }
        int count = 0;
        while (silent.contains(attempt - count)) {
            count++;
        }
        return count;
    }

    @Test
    void randomLogsGiveWhatTheIndependentStatementGives() {
        for (long seed = 0; seed < 20_000; seed++) {
            List<TokenEvent> events = randomEvents(new Random(seed));
            List<Integer> state = new ArrayList<>();
            List<Integer> expected = validTokens(events, state);

            GenerationLog folded = new GenerationLog(ID, PROMPT);
            long place = 0;
            for (TokenEvent event : events) {
                folded.apply(place++, event);
            }

            assertThat(folded.tokens())
                    .as("tokens, seed %d", seed)
                    .containsExactly(expected.stream().mapToInt(Integer::intValue).toArray());
            assertThat(folded.attempt()).as("attempt, seed %d", seed).isEqualTo(state.get(0));
            assertThat(folded.ended()).as("end, seed %d", seed).isEqualTo(state.get(1) == 1);
            assertThat(folded.silentAttempts())
                    .as("silent attempts, seed %d", seed)
                    .isEqualTo(silent(events));
        }
    }

    private static List<TokenEvent> randomEvents(Random random) {
        List<TokenEvent> events = new ArrayList<>();
        int length = random.nextInt(30);
        for (int i = 0; i < length; i++) {
            int attempt = random.nextInt(5);
            events.add(
                    switch (random.nextInt(10)) {
                        case 0 -> started("w" + attempt);
                        case 1, 2, 3 -> resumed(attempt, "w" + attempt);
                        case 4 -> random.nextInt(4) == 0 ? finished(attempt) : failed(attempt);
                        case 5 ->
                                random.nextInt(4) == 0 ? cancelled(attempt) : resumed(attempt, "z");
                        default ->
                                tokens(
                                        attempt,
                                        random.nextInt(4),
                                        Collections.nCopies(random.nextInt(3), random.nextInt(100))
                                                .stream()
                                                .mapToInt(Integer::intValue)
                                                .toArray());
                    });
        }
        return events;
    }

    private Applied apply(TokenEvent event) {
        return log.apply(offset++, event);
    }

    private void assertVoid(TokenEvent event, VoidReason reason) {
        assertThat(apply(event)).isEqualTo(new Applied.Void(reason));
    }

    private static GenerationStarted started(String worker) {
        return new GenerationStarted(ID, 1, "m", null, null, null, null, PROMPT, null, worker);
    }

    private static GenerationResumed resumed(int attempt, String worker) {
        return new GenerationResumed(ID, PROMPT, attempt, worker, "cpu-2/kv16");
    }

    private static TokensGenerated tokens(int attempt, int index, int... ids) {
        return new TokensGenerated(
                ID,
                PROMPT,
                attempt,
                index,
                Arrays.stream(ids).boxed().toList(),
                "",
                null,
                null,
                null);
    }

    private static GenerationFinished finished(int attempt) {
        return new GenerationFinished(ID, PROMPT, attempt, "stop", null, null, null, null);
    }

    private static GenerationFailed failed(int attempt) {
        return new GenerationFailed(ID, PROMPT, attempt, ErrorCode.POISON, "", null, null, null);
    }

    private static GenerationCancelled cancelled(int attempt) {
        return new GenerationCancelled(ID, PROMPT, attempt, null, null, null, null);
    }
}
