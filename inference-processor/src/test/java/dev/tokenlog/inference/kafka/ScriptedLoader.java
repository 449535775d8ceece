package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.generation.GenerationEngine;
import dev.tokenlog.engine.generation.GenerationHandle;
import dev.tokenlog.engine.generation.GenerationListener;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.generation.LoopStatistics;
import dev.tokenlog.engine.transformer.KvPages;
import dev.tokenlog.inference.model.LoadedModel;
import dev.tokenlog.inference.model.ModelLoader;
import dev.tokenlog.inference.protocol.SimulatedModel;
import jakarta.enterprise.context.ApplicationScoped;
import java.time.Instant;
import java.util.Arrays;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/// A model of two lines that answers slowly enough to be interrupted: [SimulatedModel] on a thread.
@ApplicationScoped
public class ScriptedLoader implements ModelLoader {

    static final String NUMERICS = "sim-1";
    static final String BROKEN = "sha256-broken";

    /// A prompt that begins so takes this long per token; others take none.
    static final String SLOW = "slow ";

    private static final long SLOW_MILLIS = 20;
    private static final int CONTEXT = 1_000;

    @Override
    public String numericsId() {
        return NUMERICS;
    }

    @Override
    public String compute() {
        return "compute: SCRIPTED";
    }

    @Override
    public int threads() {
        return 1;
    }

    @Override
    public long bytes(String digest, String location) {
        return 42;
    }

    @Override
    public LoadedModel load(String digest, String location) {
        if (digest.equals(BROKEN)) {
            throw new EngineException(
                    EngineException.Reason.MODEL_UNREADABLE, location + ": a flipped bit");
        }
        return new ScriptedModel();
    }

    private static final class ScriptedModel implements LoadedModel, GenerationEngine {

        private final AtomicLong questions = new AtomicLong();

        private final ScheduledExecutorService loop =
                Executors.newSingleThreadScheduledExecutor(
                        task -> Thread.ofPlatform().daemon().name("scripted").unstarted(task));

        @Override
        public GenerationEngine engine() {
            return this;
        }

        @Override
        public int contextLength() {
            return CONTEXT;
        }

        @Override
        public int[] encode(PromptSubmitted prompt, Instant clock) {
            if (prompt.messages() != null) {
                throw new EngineException(
                        EngineException.Reason.TEMPLATE_REFUSED, "no template for this");
            }
            return prompt.prompt().chars().toArray();
        }

        @Override
        public TextStream text() {
            return id -> " " + id;
        }

        @Override
        public GenerationHandle submit(GenerationRequest request, GenerationListener listener) {
            Run run = new Run(request, listener);
            loop.execute(run);
            return () -> run.stopped = true;
        }

        /// Whoever asks finds ten steps more, of one and a half sequences each.
        @Override
        public LoopStatistics statistics() {
            long asked = questions.incrementAndGet();
            return new LoopStatistics(
                    new KvPages(32, 1, 64, 2, 1, 0), 0, 0, 10 * asked, 15 * asked);
        }

        @Override
        public int active() {
            return 0;
        }

        @Override
        public int queued() {
            return 0;
        }

        @Override
        public void close() {
            loop.shutdownNow();
        }

        private final class Run implements Runnable {
            private final GenerationRequest request;
            private final GenerationListener listener;
            private final long delay;
            private int[] ids;
            private volatile boolean stopped;

            Run(GenerationRequest request, GenerationListener listener) {
                this.request = request;
                this.listener = listener;
                this.ids = request.doneIds();
                boolean slow =
                        new String(request.promptIds(), 0, request.promptIds().length)
                                .startsWith(SLOW);
                this.delay = slow ? SLOW_MILLIS : 0;
            }

            @Override
            public void run() {
                if (stopped) {
                    listener.onStopped();
                } else if (ids.length > 0
                        && delay == 0
                        && SimulatedModel.isEnd(ids[ids.length - 1])) {
                    finish(GenerationListener.Reason.STOP);
                } else if (ids.length >= request.maxTokens()) {
                    finish(GenerationListener.Reason.LENGTH);
                } else {
                    int next =
                            SimulatedModel.next(
                                    NUMERICS, request.sampling().seed(), ids, ids.length);
                    ids = Arrays.copyOf(ids, ids.length + 1);
                    ids[ids.length - 1] = next;
                    listener.onToken(ids.length - 1, next, null);
                    listener.onStepEnd();
                    loop.schedule(this, delay, TimeUnit.MILLISECONDS);
                }
            }

            private void finish(GenerationListener.Reason reason) {
                listener.onFinished(
                        new GenerationListener.Finish(
                                reason,
                                null,
                                new GenerationListener.Statistics(
                                        request.promptIds().length, 0, ids.length, 0, 0, 0, 0, 0)));
            }
        }
    }
}
