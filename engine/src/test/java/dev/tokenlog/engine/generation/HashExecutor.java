package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.KvPages;
import dev.tokenlog.engine.transformer.Sequence;
import java.util.ArrayList;
import java.util.List;

/// An executor whose logits are a hash of the sequence's tokens: what follows depends on every
/// token before and on nothing else. Checks how it is called. Texts longer than a bound may be read
/// otherwise than shorter ones, as with rotary factors for long texts.
public final class HashExecutor implements Executor {

    /// A token after which the numbers are no numbers any more.
    public static final int POISON = 13;

    /// Positions of a page.
    static final int PAGE = 4;

    private final ModelPlan plan;
    private int memory = Integer.MAX_VALUE;
    private int fragileFrom = Integer.MAX_VALUE;
    private final int limit;
    private final int maxCached;
    private final int longestShortText;
    private Thread caller;
    private int steps;
    private int largestBatch;
    private int sequencesOpen;
    private int sequencesMade;
    private int mostNeighbours;
    private int failAtStep = -1;
    private long nanos;
    private int pages;
    private int mostPages;

    public HashExecutor(int vocabularySize, int contextLength) {
        this(vocabularySize, contextLength, contextLength);
    }

    HashExecutor(int vocabularySize, int contextLength, int longestShortText) {
        this(vocabularySize, contextLength, longestShortText, Integer.MAX_VALUE);
    }

    /// @param limit pages that all sequences may hold together
    HashExecutor(int vocabularySize, int contextLength, int longestShortText, int limit) {
        this.longestShortText = longestShortText;
        this.limit = limit;
        this.plan =
                new ModelPlan(
                        "hash",
                        vocabularySize,
                        32,
                        contextLength,
                        1,
                        List.of(),
                        new ModelPlan.Rotary(0, List.of(), 1),
                        1e-5f,
                        true,
                        "embedding",
                        "norm",
                        "embedding");
        this.maxCached = contextLength;
    }

    /// What follows depends on so many last tokens only, so that texts begin to repeat themselves.
    HashExecutor remembering(int tokens) {
        memory = tokens;
        return this;
    }

    /// [#POISON] does nothing before this position.
    HashExecutor poisonousFrom(int position) {
        fragileFrom = position;
        return this;
    }

    synchronized void failAtStep(int step) {
        failAtStep = step;
    }

    /// What the steps so far would have taken: 20 µs each and 1 µs for each token.
    synchronized long nanos() {
        return nanos;
    }

    synchronized int steps() {
        return steps;
    }

    synchronized int largestBatch() {
        return largestBatch;
    }

    synchronized int mostNeighbours() {
        return mostNeighbours;
    }

    synchronized int sequencesMade() {
        return sequencesMade;
    }

    synchronized int mostPages() {
        return mostPages;
    }

    synchronized int sequencesOpen() {
        return sequencesOpen;
    }

    @Override
    public ModelPlan plan() {
        return plan;
    }

    @Override
    public String numericsId() {
        return "hash-1/none";
    }

    @Override
    public String description() {
        return "hash of the tokens";
    }

    @Override
    public synchronized Sequence newSequence() {
        sequencesOpen++;
        sequencesMade++;
        return new TokenSequence();
    }

    @Override
    public synchronized KvPages kvPages() {
        return new KvPages(PAGE, 10L * PAGE, limit, pages, 0, 0);
    }

    @Override
    public Batch newBatch(int maxTokens, int maxLogits) {
        return new Batch(maxTokens, maxLogits, plan.vocabularySize());
    }

    @Override
    public synchronized void step(Batch batch) {
        if (caller == null) {
            caller = Thread.currentThread();
        }
        require(caller == Thread.currentThread(), "another thread");
        require(batch.size() > 0, "an empty batch");
        if (steps++ == failAtStep) {
            throw new IllegalStateException("the executor broke");
        }
        nanos += 20_000 + 1_000L * batch.size();
        largestBatch = Math.max(largestBatch, batch.size());
        List<Sequence> distinct = new ArrayList<>();
        for (int i = 0; i < batch.size(); i++) {
            TokenSequence sequence = (TokenSequence) batch.sequence(i);
            if (!distinct.contains(sequence)) {
                distinct.add(sequence);
            }
            sequence.append(batch.token(i), batch.position(i));
            if (batch.logitRow(i) >= 0) {
                logits(
                        remembered(sequence.tokens, sequence.longText),
                        batch.logits(),
                        batch.logitRow(i) * plan.vocabularySize(),
                        plan.vocabularySize());
            }
        }
        mostNeighbours = Math.max(mostNeighbours, distinct.size());
    }

    /// What the logits are a hash of.
    List<Integer> remembered(List<Integer> tokens, boolean longText) {
        int first = Math.max(0, tokens.size() - memory);
        List<Integer> last = tokens.subList(first, tokens.size());
        return longText ? last.reversed() : last;
    }

    static void logits(List<Integer> tokens, float[] logits, int offset, int vocabularySize) {
        long state = 1469598103934665603L;
        for (int token : tokens) {
            state = (state ^ token) * 1099511628211L;
            state ^= state >>> 29;
        }
        for (int id = 0; id < vocabularySize; id++) {
            long mixed = (state + id) * 0x9E3779B97F4A7C15L;
            mixed ^= mixed >>> 32;
            // poison comes in prompts only
            logits[offset + id] = id == POISON ? -10_000 : (mixed & 0xffff) / 8192f - 4;
        }
    }

    private static void require(boolean holds, String message) {
        if (!holds) {
            throw new IllegalArgumentException(message);
        }
    }

    @Override
    public void close() {}

    private final class TokenSequence implements Sequence {
        private final List<Integer> tokens = new ArrayList<>();
        private int held;
        private boolean closed;
        private boolean nonFinite;
        private boolean longText;

        void append(int token, int position) {
            require(!closed, "a closed sequence");
            require(position == tokens.size(), "position " + position + " after " + tokens.size());
            require(position < held * PAGE, "position " + position + " was not reserved");
            require(position < longestShortText || longText, "position " + position + " unfitted");
            require(token >= 0 && token < plan.vocabularySize(), "token " + token);
            tokens.add(token);
            boolean harmless = fragileFrom != Integer.MAX_VALUE && position < fragileFrom;
            nonFinite |= token == POISON && !harmless;
        }

        @Override
        public int length() {
            return tokens.size();
        }

        @Override
        public int fit(int count) {
            if (longText != count > longestShortText) {
                longText = !longText;
                tokens.clear();
            }
            return tokens.size();
        }

        @Override
        public int fitted() {
            return longText ? Integer.MAX_VALUE : longestShortText;
        }

        @Override
        public int makeRoom(int count) {
            synchronized (HashExecutor.this) {
                require(count <= maxCached, "reserves " + count + " of " + maxCached);
                while (held * PAGE < count && pages < limit) {
                    held++;
                    pages++;
                }
                mostPages = Math.max(mostPages, pages);
                return held * PAGE;
            }
        }

        @Override
        public int reuse(int[] text, int count) {
            return tokens.size();
        }

        @Override
        public void truncate(int length) {
            tokens.subList(length, tokens.size()).clear();
        }

        @Override
        public boolean isNonFinite() {
            return nonFinite;
        }

        @Override
        public void close() {
            synchronized (HashExecutor.this) {
                require(!closed, "closed twice");
                closed = true;
                sequencesOpen--;
                pages -= held;
            }
        }
    }
}
