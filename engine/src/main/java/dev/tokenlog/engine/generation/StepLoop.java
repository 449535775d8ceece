package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.generation.GenerationListener.Finish;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.StreamingDetokenizer;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.Executor;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/// Continuous batching: one thread owns the executor and its sequences, and in each step computes
/// the next token of every generation that decodes together with a piece of the prompts that wait.
/// Generations join and leave between steps. What one of them gets does not depend on the others.
public final class StepLoop implements GenerationEngine {

    private static final Logger LOG = System.getLogger(StepLoop.class.getName());

    private final Executor executor;
    private final Set<Integer> endOfSequence;
    private final Supplier<TextStream> texts;
    private final StepLoopOptions options;
    private final LongSupplier nanoTime;
    private final int contextLength;

    private final Mailbox mailbox = new Mailbox();
    private final AtomicLong order = new AtomicLong();
    private final AtomicLong unfinished = new AtomicLong();
    private volatile int activeCount;

    // Written by the loop's thread alone.
    private volatile long steps;
    private volatile long sequences;
    private final Thread thread;

    // The rest belongs to the loop's thread.
    private final Batch batch;
    private final StepPace pace;
    private final Speculation speculation;
    private final Sampler sampler;
    private final LogProbabilities logProbabilities;
    private final List<Generation> arrived = new ArrayList<>();
    private final PriorityQueue<Generation> waiting = new PriorityQueue<>(Generation::compare);
    private final List<Generation> active = new ArrayList<>();
    private final Residents residents;
    private int decodeTokens;
    private int firstReader;

    private StepLoop(
            Executor executor,
            Set<Integer> endOfSequence,
            Supplier<TextStream> texts,
            StepLoopOptions options,
            LongSupplier nanoTime) {
        this.executor = executor;
        this.endOfSequence = Set.copyOf(endOfSequence);
        this.texts = texts;
        this.options = options;
        this.nanoTime = nanoTime;
        this.contextLength = executor.plan().contextLength();
        this.batch =
                executor.newBatch(
                        options.maxStepTokens(), options.maxSequences() + options.maxDrafts());
        this.pace = new StepPace(options.maxSequences() + options.maxDrafts());
        this.speculation = new Speculation(pace, options.maxSequences(), options.maxDrafts());
        this.sampler = new Sampler(executor.plan().vocabularySize());
        this.logProbabilities = new LogProbabilities(executor.plan().vocabularySize());
        this.residents =
                new Residents(
                        executor,
                        active,
                        waiting::add,
                        options.maxDrafts() == 0
                                ? () -> null
                                : PromptLookup.upTo(options.maxDrafts()));
        this.thread = Thread.ofPlatform().name("engine-loop").unstarted(this::run);
    }

    /// Starts the loop's thread. Closing the loop closes neither executor nor tokenizer.
    public static StepLoop start(
            Executor executor, ModelTokenizer tokenizer, StepLoopOptions options) {
        return start(
                executor,
                tokenizer.endOfSequence(),
                () -> {
                    StreamingDetokenizer detokenizer = tokenizer.detokenizer();
                    return detokenizer::append;
                },
                options);
    }

    static StepLoop start(
            Executor executor,
            Set<Integer> endOfSequence,
            Supplier<TextStream> texts,
            StepLoopOptions options) {
        return start(executor, endOfSequence, texts, options, System::nanoTime);
    }

    /// @param nanoTime what steps are timed with
    static StepLoop start(
            Executor executor,
            Set<Integer> endOfSequence,
            Supplier<TextStream> texts,
            StepLoopOptions options,
            LongSupplier nanoTime) {
        StepLoop loop = new StepLoop(executor, endOfSequence, texts, options, nanoTime);
        loop.thread.start();
        return loop;
    }

    /// A request that is out of range or too long is told so by [GenerationListener#onFailed].
    ///
    /// @throws IllegalStateException after [#close]
    @Override
    public GenerationHandle submit(GenerationRequest request, GenerationListener listener) {
        Generation generation = new Generation(request, listener, mailbox, order.getAndIncrement());
        unfinished.incrementAndGet();
        try {
            mailbox.submit(generation);
        } catch (IllegalStateException e) {
            unfinished.decrementAndGet();
            throw e;
        }
        return generation;
    }

    @Override
    public LoopStatistics statistics() {
        return residents.statistics(steps, sequences);
    }

    @Override
    public int active() {
        return activeCount;
    }

    @Override
    public int queued() {
        return (int) Math.max(0, unfinished.get() - activeCount);
    }

    @Override
    public void close() {
        mailbox.close();
        if (Thread.currentThread() == thread) {
            return; // a listener closes the engine: the loop ends after this step
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void run() {
        boolean orderly = false;
        try {
            while (mailbox.collect(active.isEmpty() && waiting.isEmpty(), arrived)) {
                arrived.forEach(this::receive);
                arrived.clear();
                endStopped();
                admit();
                if (!active.isEmpty()) {
                    step();
                }
            }
            orderly = true;
        } finally {
            mailbox.close();
            mailbox.collect(false, arrived);
            endAll(orderly);
        }
    }

    private void endAll(boolean orderly) {
        List<Generation> all = new ArrayList<>(active);
        all.addAll(waiting);
        all.addAll(arrived);
        for (Generation generation : all) {
            if (orderly) {
                end(generation, GenerationListener::onStopped);
            } else {
                fail(generation, new IllegalStateException("the engine's loop has broken"));
            }
        }
        waiting.clear();
        arrived.clear();
    }

    private void receive(Generation generation) {
        try {
            GenerationRequest request = generation.request().checkedFor(executor.plan());
            residents.requireThatItFits(generation.mostTokens(contextLength));
            Finish finish =
                    generation.begin(
                            executor.plan().vocabularySize(), contextLength, endOfSequence, texts);
            if (finish != null) {
                end(generation, listener -> listener.onFinished(finish));
            } else if (request.promptIds().length + request.doneIds().length >= contextLength) {
                throw new IllegalStateException("earlier tokens fill the context");
            } else {
                waiting.add(generation);
            }
        } catch (RuntimeException e) {
            fail(generation, e);
        }
    }

    private void endStopped() {
        for (Generation generation : List.copyOf(active)) {
            if (generation.isStopRequested()) {
                end(generation, GenerationListener::onStopped);
            }
        }
        waiting.removeIf(generation -> {
            boolean stopped = generation.isStopRequested();
            if (stopped) {
                end(generation, GenerationListener::onStopped);
            }
            return stopped;
        });
    }

    /// Lets generations in while there is room. Nobody overtakes the one that waits first, so that
    /// a long one, or one that must be alone, gets its turn.
    private void admit() {
        while (!waiting.isEmpty() && fits(waiting.peek())) {
            Generation generation = waiting.poll();
            try {
                if (!residents.admit(generation)) {
                    waiting.add(generation);
                    break;
                }
            } catch (RuntimeException e) {
                fail(generation, e);
            }
        }
        activeCount = active.size();
    }

    private boolean fits(Generation generation) {
        if (active.isEmpty()) {
            return true;
        }
        return !generation.request().alone()
                && !active.getFirst().request().alone()
                && active.size() < options.maxSequences();
    }

    private void step() {
        batch.clear();
        makeRoom();
        fill();
        if (batch.size() == 0) {
            return; // all who could take part have failed
        }
        try {
            long begin = nanoTime.getAsLong();
            executor.step(batch);
            pace.stepped(decodeTokens, batch.size() - decodeTokens, nanoTime.getAsLong() - begin);
            sequences = sequences + active.size();
            steps = steps + 1;
        } catch (RuntimeException e) {
            List.copyOf(active).forEach(generation -> fail(generation, e));
            return;
        }
        for (Generation generation : List.copyOf(active)) {
            try {
                advance(generation);
            } catch (RuntimeException e) {
                fail(generation, e);
            }
        }
        for (Generation generation : List.copyOf(active)) {
            try {
                generation.listener().onStepEnd();
            } catch (RuntimeException e) {
                fail(generation, e);
            }
        }
    }

    /// Memory for the next token of each, the first in rank first.
    private void makeRoom() {
        for (Generation generation : residents.byRank()) {
            if (active.contains(generation)) {
                try {
                    residents.beginStep(generation);
                } catch (RuntimeException e) {
                    fail(generation, e);
                }
            }
        }
        activeCount = active.size();
    }

    /// One token of each generation that decodes; then pieces of the prompts that are not read yet,
    /// as many tokens in all as [StepPace] allows. Where nobody reads, guessed tokens have the
    /// room.
    private void fill() {
        List<Generation> readers = new ArrayList<>();
        List<Generation> decoders = new ArrayList<>();
        for (Generation generation : List.copyOf(active)) {
            (generation.isPrefilling() ? readers : decoders).add(generation);
        }
        if (readers.isEmpty() && options.maxDrafts() > 0) {
            speculation.choose(decoders, batch.maxTokens() - decoders.size());
        }
        decoders.forEach(generation -> fill(generation, 1));
        decodeTokens = batch.size();
        if (!readers.isEmpty()) {
            read(readers);
        }
    }

    /// Equal pieces, so that a short prompt does not wait for a long one. Where there are fewer
    /// tokens than prompts, they take turns.
    private void read(List<Generation> readers) {
        int room = batch.maxTokens() - batch.size();
        if (decodeTokens > 0) {
            room = Math.min(room, options.maxPrefillChunk());
        }
        room = pace.promptTokens(decodeTokens, room);
        for (int i = 0; i < readers.size() && room > 0; i++) {
            Generation generation = readers.get((firstReader + i) % readers.size());
            room -= fill(generation, Math.ceilDiv(room, readers.size() - i));
        }
        firstReader = (firstReader + 1) % readers.size();
    }

    /// @return tokens put into the batch; none if the generation had to be given up
    private int fill(Generation generation, int most) {
        try {
            return generation.fill(batch, most);
        } catch (RuntimeException e) {
            fail(generation, e);
            return 0;
        }
    }

    private void advance(Generation generation) {
        if (generation.sequence().isNonFinite()) {
            if (generation.drafts() > 0) {
                generation.startOver(executor.newSequence());
                return;
            }
            throw new EngineException(Reason.NON_FINITE, "the model computed a NaN or an infinity");
        }
        if (generation.logitRow() < 0) {
            return;
        }
        Finish finish = generation.decode(batch, sampler, logProbabilities, endOfSequence);
        if (finish != null) {
            end(generation, listener -> listener.onFinished(finish));
        }
    }

    private void fail(Generation generation, RuntimeException failure) {
        end(generation, listener -> listener.onFailed(failure));
    }

    /// The last word about a generation. A listener that throws here cannot be told anything more.
    private void end(Generation generation, Consumer<GenerationListener> lastWord) {
        if (active.remove(generation)) {
            activeCount = active.size();
        }
        unfinished.decrementAndGet();
        generation.release();
        try {
            lastWord.accept(generation.listener());
        } catch (RuntimeException e) {
            LOG.log(
                    Level.ERROR,
                    () -> "generation=" + generation.request().id() + " listener failed at the end",
                    e);
        }
    }
}
