package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.generation.GenerationListener.Finish;
import dev.tokenlog.engine.generation.GenerationListener.Reason;
import dev.tokenlog.engine.generation.GenerationListener.Statistics;
import dev.tokenlog.engine.generation.GenerationListener.TokenLogProbability;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.Sequence;
import java.util.Set;
import java.util.function.Supplier;

/// One generation on its way through the loop. Belongs to the loop's thread, but for [#stop].
final class Generation implements GenerationHandle {

    private final GenerationRequest request;
    private final GenerationListener listener;
    private final Mailbox mailbox;
    private final long order;
    private final long submitted = System.nanoTime();

    /// Prompt and earlier tokens: what is prefilled as it is.
    private final int[] input;

    private volatile boolean stopRequested;

    private Sequence sequence;
    private TextStream text;
    private StopTexts stopTexts;
    private SeenTokens seen;
    private int cached;
    private int completed;
    private int lastToken;
    private int logitRow = -1;
    private boolean started;
    private long admitted;
    private long prefillStarted;
    private long firstToken;

    Generation(
            GenerationRequest request, GenerationListener listener, Mailbox mailbox, long order) {
        this.request = request;
        this.listener = listener;
        this.mailbox = mailbox;
        this.order = order;
        this.input = new int[request.promptIds().length + request.doneIds().length];
        System.arraycopy(request.promptIds(), 0, input, 0, request.promptIds().length);
        System.arraycopy(
                request.doneIds(), 0, input, request.promptIds().length, request.doneIds().length);
    }

    @Override
    public void stop() {
        stopRequested = true;
        mailbox.wake();
    }

    boolean isStopRequested() {
        return stopRequested;
    }

    GenerationRequest request() {
        return request;
    }

    GenerationListener listener() {
        return listener;
    }

    /// Larger priority first, then who came first.
    static int compare(Generation a, Generation b) {
        int byPriority = Integer.compare(b.request.priority(), a.request.priority());
        return byPriority != 0 ? byPriority : Long.compare(a.order, b.order);
    }

    /// Takes the tokens of earlier runs.
    ///
    /// @return how they end the generation, or null if they do not
    Finish begin(
            int vocabularySize,
            int contextLength,
            Set<Integer> endOfSequence,
            Supplier<TextStream> texts) {
        if (!request.stop().isEmpty()) {
            text = texts.get();
            stopTexts = new StopTexts(request.stop());
        }
        SamplingParameters sampling = request.sampling();
        boolean penalties =
                sampling.repetitionPenalty() != 1
                        || sampling.presencePenalty() != 0
                        || sampling.frequencyPenalty() != 0;
        if (penalties) {
            seen = new SeenTokens(vocabularySize);
            seen.prompt(request.promptIds());
        }
        Finish finish = null;
        for (int id : request.doneIds()) {
            finish = complete(id, contextLength, endOfSequence);
            if (finish != null) {
                break;
            }
        }
        return finish;
    }

    void admit(Sequence newSequence) {
        sequence = newSequence;
        admitted = System.nanoTime();
    }

    Sequence sequence() {
        return sequence;
    }

    /// Most tokens that its sequence will hold.
    int mostTokens(int contextLength) {
        long most = (long) request.promptIds().length + request.maxTokens();
        return (int) Math.min(most, contextLength);
    }

    boolean isPrefilling() {
        return cached < input.length;
    }

    /// Puts its next tokens into a batch: one if it decodes, up to `most` of its input otherwise.
    ///
    /// @return how many
    int fill(Batch batch, int most) {
        if (!started) {
            started = true;
            prefillStarted = System.nanoTime();
        }
        int count = isPrefilling() ? Math.min(most, input.length - cached) : 1;
        sequence.reserve(cached + count);
        logitRow = -1;
        for (int i = 0; i < count; i++) {
            int position = cached + i;
            int token = position < input.length ? input[position] : lastToken;
            boolean last = position >= input.length - 1;
            int row = batch.add(sequence, token, position, last);
            logitRow = last ? row : logitRow;
        }
        cached += count;
        return count;
    }

    /// Its row of logits in the batch that was stepped last, or -1.
    int logitRow() {
        return logitRow;
    }

    /// After a step without it.
    void skipStep() {
        logitRow = -1;
    }

    /// Chooses the next token from its row of logits and tells the listener.
    ///
    /// @return how this ends the generation, or null if it does not
    Finish decode(
            float[] logits,
            int offset,
            Sampler sampler,
            LogProbabilities logProbabilities,
            int contextLength,
            Set<Integer> endOfSequence) {
        int index = completed;
        int token = sampler.sample(logits, offset, request.sampling(), seen, index, 0);
        TokenLogProbability logprob =
                request.alternatives() < 0
                        ? null
                        : logProbabilities.of(logits, offset, token, request.alternatives());
        if (firstToken == 0) {
            firstToken = System.nanoTime();
        }
        Finish finish = complete(token, contextLength, endOfSequence);
        listener.onToken(index, token, logprob);
        return finish;
    }

    private Finish complete(int token, int contextLength, Set<Integer> endOfSequence) {
        completed++;
        lastToken = token;
        if (seen != null) {
            seen.output(token);
        }
        if (endOfSequence.contains(token)) {
            return finish(Reason.STOP, null);
        }
        String stop = stopTexts == null ? null : stopTexts.find(text.append(token));
        if (stop != null) {
            return finish(Reason.STOP, stop);
        }
        boolean full =
                completed >= request.maxTokens()
                        || request.promptIds().length + completed >= contextLength;
        return full ? finish(Reason.LENGTH, null) : null;
    }

    private Finish finish(Reason reason, String stop) {
        long now = System.nanoTime();
        long queue = (admitted == 0 ? now : admitted) - submitted;
        return new Finish(
                reason,
                stop,
                new Statistics(
                        request.promptIds().length,
                        completed,
                        queue,
                        firstToken == 0 ? 0 : firstToken - prefillStarted,
                        firstToken == 0 ? 0 : now - firstToken));
    }

    void release() {
        if (sequence != null) {
            sequence.close();
        }
    }
}
