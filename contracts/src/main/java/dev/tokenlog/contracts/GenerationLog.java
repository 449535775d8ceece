package dev.tokenlog.contracts;

import dev.tokenlog.contracts.TokenEvent.Claim;
import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.Terminal;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// What the log says about one generation: the rules by which every reader, live or later, client
/// or worker, decides which events count.
///
/// Feed it the token events of one generation (one id, one prompt offset, one partition) in the
/// order of the log, from the first on. Then:
///
/// - a claim is valid if its attempt is one more than that of the last valid claim and the
///   generation has not ended;
/// - tokens are valid if their attempt is that of the last valid claim and their index equals the
///   number of valid tokens before them;
/// - a terminal event is valid if its attempt is that of the last valid claim, and ends the
///   generation;
/// - everything else is void.
///
/// A pure fold: no clock, no input, not thread-safe.
public final class GenerationLog {

    /// What an event did.
    public sealed interface Applied {

        default boolean valid() {
            return !(this instanceof Void);
        }

        record Claimed(Claim claim) implements Applied {}

        record Extended(TokensGenerated tokens) implements Applied {}

        record Ended(Terminal end) implements Applied {}

        record Void(VoidReason reason) implements Applied {}
    }

    public enum VoidReason {
        AFTER_THE_END,
        /// A claim whose attempt does not follow the last valid one.
        NOT_THE_NEXT_ATTEMPT,
        /// Tokens or an end of an attempt that does not hold the generation.
        NOT_THE_HOLDER,
        /// Tokens that do not begin where the valid ones end.
        NOT_THE_NEXT_INDEX
    }

    /// A valid claim.
    ///
    /// @param offset its place in the partition
    /// @param index number of valid tokens before it: its attempt's stretch begins here
    public record ValidClaim(long offset, int index, Claim claim) {}

    private final String generationId;
    private final long promptOffset;
    private final List<ValidClaim> claims = new ArrayList<>();
    private final BitSet silent = new BitSet();
    private int[] tokens = new int[64];
    private int tokenCount;
    private long lastOffset = -1;
    private TokensGenerated head;
    private Terminal end;
    private long endOffset = -1;

    public GenerationLog(String generationId, long promptOffset) {
        this.generationId = generationId;
        this.promptOffset = promptOffset;
    }

    /// Takes the next event of this generation.
    ///
    /// @param offset of its record in the partition of `tokens`
    /// @throws IllegalArgumentException if the event is another generation's, or not behind the one
    ///   before
    public Applied apply(long offset, TokenEvent event) {
        if (!generationId.equals(event.generationId()) || promptOffset != event.promptOffset()) {
            throw new IllegalArgumentException(
                    "event of %s at prompt offset %d given to the log of %s at %d"
                            .formatted(
                                    event.generationId(),
                                    event.promptOffset(),
                                    generationId,
                                    promptOffset));
        }
        if (offset <= lastOffset) {
            throw new IllegalArgumentException(
                    "offset %d of %s does not follow %d"
                            .formatted(offset, generationId, lastOffset));
        }
        lastOffset = offset;
        hear(event);
        if (end != null) {
            return new Applied.Void(VoidReason.AFTER_THE_END);
        }
        return switch (event) {
            case Claim claim -> claim(offset, claim);
            case TokensGenerated generated -> extend(generated);
            case Terminal terminal -> end(offset, terminal);
        };
    }

    private Applied claim(long offset, Claim claim) {
        if (claim.attempt() != attempt() + 1) {
            return new Applied.Void(VoidReason.NOT_THE_NEXT_ATTEMPT);
        }
        claims.add(new ValidClaim(offset, tokenCount, claim));
        silent.set(claim.attempt());
        return new Applied.Claimed(claim);
    }

    private Applied extend(TokensGenerated generated) {
        if (!holds(generated)) {
            return new Applied.Void(VoidReason.NOT_THE_HOLDER);
        }
        if (generated.index() != tokenCount) {
            return new Applied.Void(VoidReason.NOT_THE_NEXT_INDEX);
        }
        if (head == null && generated.promptHash() != null) {
            head = generated;
        }
        List<Integer> ids = generated.tokenIds();
        if (tokenCount + ids.size() > tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(2 * tokens.length, tokenCount + ids.size()));
        }
        for (int id : ids) {
            tokens[tokenCount++] = id;
        }
        return new Applied.Extended(generated);
    }

    private Applied end(long offset, Terminal terminal) {
        if (!holds(terminal)) {
            return new Applied.Void(VoidReason.NOT_THE_HOLDER);
        }
        end = terminal;
        endOffset = offset;
        return new Applied.Ended(terminal);
    }

    private boolean holds(TokenEvent event) {
        return event.attempt() >= 1 && event.attempt() == attempt();
    }

    /// A sign of life counts even where the event is void. A failure is none: a worker may write
    /// one about a prompt that killed the attempts before it.
    private void hear(TokenEvent event) {
        boolean alive =
                switch (event) {
                    case TokensGenerated _, GenerationFinished _, GenerationCancelled _ -> true;
                    case Claim _, GenerationFailed _ -> false;
                };
        if (alive && event.attempt() >= 1) {
            silent.clear(event.attempt());
        }
    }

    public String generationId() {
        return generationId;
    }

    public long promptOffset() {
        return promptOffset;
    }

    /// The attempt that holds the generation; 0 before the first claim.
    public int attempt() {
        return claims.size();
    }

    /// The attempt that a worker which wants the generation claims next.
    public int nextAttempt() {
        return attempt() + 1;
    }

    /// The valid claims, in order; the claim of attempt n stands at n - 1.
    public List<ValidClaim> claims() {
        return List.copyOf(claims);
    }

    /// The claim that holds the generation.
    public Optional<Claim> holder() {
        return claims.isEmpty() ? Optional.empty() : Optional.of(claims.getLast().claim());
    }

    /// Whether the generation is held by exactly this claim.
    public boolean heldBy(String workerId, int attempt) {
        return attempt >= 1
                && attempt == attempt()
                && workerId.equals(claims.getLast().claim().workerId());
    }

    /// The valid start, whose digest, seed and parameters hold for every attempt; empty before it.
    public Optional<GenerationStarted> started() {
        return !claims.isEmpty() && claims.getFirst().claim() instanceof GenerationStarted started
                ? Optional.of(started)
                : Optional.empty();
    }

    /// Where the first valid claim stands: whoever reads from here on knows the whole generation.
    public OptionalLong firstClaimOffset() {
        return claims.isEmpty()
                ? OptionalLong.empty()
                : OptionalLong.of(claims.getFirst().offset());
    }

    /// The valid tokens, a copy.
    public int[] tokens() {
        return Arrays.copyOf(tokens, tokenCount);
    }

    public int tokenCount() {
        return tokenCount;
    }

    /// `prompt_hash` of the valid tokens of index 0, if there are any.
    public Optional<String> promptHash() {
        return Optional.ofNullable(head).map(TokensGenerated::promptHash);
    }

    /// What ended it; empty while it has not ended.
    public Optional<Terminal> end() {
        return Optional.ofNullable(end);
    }

    public OptionalLong endOffset() {
        return end == null ? OptionalLong.empty() : OptionalLong.of(endOffset);
    }

    public boolean ended() {
        return end != null;
    }

    /// How many attempts in a row, up to and including the present one, have shown no sign of life.
    /// For a worker that has just claimed, its own is among them.
    public int silentAttempts() {
        return silentAttemptsBefore(attempt() + 1);
    }

    /// The same for the attempts before this one: what a worker that holds `attempt` asks in order
    /// to know how many died silently before it.
    public int silentAttemptsBefore(int attempt) {
        int count = 0;
        while (count < attempt - 1 && silent.get(attempt - 1 - count)) {
            count++;
        }
        return count;
    }

    /// SHA-256 over the valid tokens: what a terminal event of the holder has to carry.
    public String tokenHash() {
        return TokenHash.of(tokens());
    }
}
