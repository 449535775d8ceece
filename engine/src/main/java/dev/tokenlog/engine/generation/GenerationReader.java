package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.Executor;
import dev.tokenlog.engine.transformer.Sequence;
import java.util.Arrays;

/// Reads a generation that has been, token by token: what the model predicted before each of them,
/// and which token the sampler chooses there. Because the tokens are known, many positions go
/// through the model in one step, as in a prompt.
public final class GenerationReader implements AutoCloseable {

    /// Floats of logits kept at once.
    private static final int MAX_LOGITS = 1 << 21;

    private static final int MAX_CHUNK = 64;

    private final Executor executor;
    private final GenerationRequest request;
    private final int[] text;
    private final int prompt;
    private final int from;
    private final Batch batch;
    private final Sampler sampler;
    private final SeenTokens seen;
    private final Sequence sequence;
    private int index;
    private int chunkFirst;
    private int chunkEnd;

    /// @param logged the generation; its `doneIds` are the tokens that are read
    /// @param from index of the first token of interest
    /// @throws EngineException as [GenerationRequest#checkedFor] says
    public GenerationReader(Executor executor, GenerationRequest logged, int from) {
        this.executor = executor;
        this.request = logged.checkedFor(executor.plan());
        this.prompt = logged.promptIds().length;
        this.from = from;
        this.text = Arrays.copyOf(logged.promptIds(), prompt + logged.doneIds().length);
        System.arraycopy(logged.doneIds(), 0, text, prompt, logged.doneIds().length);
        if (text.length > executor.plan().contextLength()) {
            throw new EngineException(
                    Reason.CONTEXT_TOO_LONG,
                    text.length + " tokens in a context of " + executor.plan().contextLength());
        }
        int vocabulary = executor.plan().vocabularySize();
        this.batch =
                executor.newBatch(MAX_CHUNK, Math.clamp(MAX_LOGITS / vocabulary, 1, MAX_CHUNK));
        this.sampler = new Sampler(vocabulary);
        this.seen = SeenTokens.ofPrompt(logged, vocabulary);
        this.index = from - 1;
        this.chunkEnd = from;
        for (int i = 0; i < from && seen != null; i++) {
            seen.output(logged.doneIds()[i]);
        }
        this.sequence = executor.newSequence();
    }

    /// Goes on to the next token.
    ///
    /// @return false behind the last
    /// @throws EngineException `NON_FINITE`
    public boolean advance() {
        if (index + 1 >= request.doneIds().length) {
            return false;
        }
        if (seen != null && index >= from) {
            seen.output(request.doneIds()[index]);
        }
        index++;
        if (index >= chunkEnd) {
            read();
        }
        return true;
    }

    /// Which token of the generation this is.
    public int index() {
        return index;
    }

    /// The token that the log holds.
    public int token() {
        return request.doneIds()[index];
    }

    /// The token that is chosen here, after the logged ones before it.
    public int choice() {
        return sampler.sample(batch.logits(), offset(), request.sampling(), seen, index, 0);
    }

    /// Holds the logits before this token, from [#offset] on.
    public float[] logits() {
        return batch.logits();
    }

    public int offset() {
        return (index - chunkFirst) * batch.vocabularySize();
    }

    /// From the present token on, as many as a chunk takes and as are rotated alike.
    private void read() {
        int firstRow = prompt - 1 + index;
        int position = sequence.fit(firstRow + 1);
        int end = Math.min(Math.min(text.length - 1, sequence.fitted()), firstRow + rows());
        sequence.reserve(end);
        while (position < end) {
            batch.clear();
            int stop = Math.min(position + batch.maxTokens(), position < firstRow ? firstRow : end);
            for (; position < stop; position++) {
                batch.add(sequence, text[position], position, position >= firstRow);
            }
            executor.step(batch);
            if (sequence.isNonFinite()) {
                throw new EngineException(
                        Reason.NON_FINITE, "the model computed a NaN or an infinity");
            }
        }
        chunkFirst = index;
        chunkEnd = index + end - firstRow;
    }

    private int rows() {
        return Math.min(batch.maxTokens(), batch.logits().length / batch.vocabularySize());
    }

    @Override
    public void close() {
        sequence.close();
    }
}
