package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.PromptEvent.Message;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.TokenLogprob;
import dev.tokenlog.inference.model.ModelPool.Pin;
import dev.tokenlog.inference.protocol.Inference;
import dev.tokenlog.inference.protocol.PromptTopic;
import dev.tokenlog.inference.protocol.TokenTopic;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.jboss.logging.Logger;

/// What a worker does before it asks the group for partitions, so that streams which come to it do
/// not wait for it: it knows what the registry serves, has loaded the models that are pinned, has
/// computed on each until that is as fast as it gets, and has looked into the log as it will for
/// each partition. Whatever of this fails is found out again when it matters, and told there.
final class WarmUp {

    private static final Logger LOG = Logger.getLogger(WarmUp.class);
    private static final long LOOK_MILLIS = 10;
    private static final int PARTITION = 0;
    private static final Duration PAST = Duration.ofSeconds(1);
    private static final Parameters PARAMETERS =
            new Parameters(96, 0.8, 0, 0.95, 0.0, 1.0, 0.0, 0.0, List.of(), null, null, 0);

    /// The first tokens of a process take many times as long as later ones: kernels in Java are
    /// only compiled while they run. As long as a round is faster than the one before by more than
    /// this, there is another one.
    private static final double SETTLED = 0.8;

    private static final int ROUNDS = 12;

    private final ProtocolThread protocol;
    private final Inference inference;
    private final PromptTopic prompts;
    private final TokenTopic tokens;

    /// On the protocol thread.
    private final Set<Inference.Run> running = new HashSet<>();

    private volatile boolean over;

    WarmUp(ProtocolThread protocol, Inference inference, PromptTopic prompts, TokenTopic tokens) {
        this.protocol = protocol;
        this.inference = inference;
        this.prompts = prompts;
        this.tokens = tokens;
    }

    /// Returns when all is done, at the latest after this time.
    ///
    /// @param ready whether registry and controls have been read
    /// @param pins on the protocol thread, once they have
    void run(Duration most, BooleanSupplier ready, Supplier<Set<Pin>> pins) {
        long begin = System.nanoTime();
        try {
            while (!ready.getAsBoolean()) {
                if (System.nanoTime() - begin > most.toNanos()) {
                    throw new TimeoutException("registry and controls have not been read");
                }
                Thread.sleep(LOOK_MILLIS);
            }
            List<CompletableFuture<?>> steps = new ArrayList<>();
            steps.add(past());
            steps.add(recentTokens());
            for (Pin pin : protocol.ask(pins).get(left(most, begin), TimeUnit.NANOSECONDS)) {
                steps.add(generate(pin));
            }
            CompletableFuture.allOf(steps.toArray(CompletableFuture[]::new))
                    .get(left(most, begin), TimeUnit.NANOSECONDS);
        } catch (TimeoutException | ExecutionException e) {
            LOG.warnf("joins the group before it is warm, after %s: %s", most, e.toString());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        over = true;
        protocol.execute(() -> {
            // From now on there are generations that somebody waits for.
            List.copyOf(running).forEach(Inference.Run::stop);
            tokens.unfollow(PARTITION);
        });
        LOG.infof("warm after %d ms", (System.nanoTime() - begin) / 1_000_000);
    }

    private static long left(Duration most, long begin) {
        return Math.max(0, most.toNanos() - (System.nanoTime() - begin));
    }

    private CompletableFuture<?> past() {
        CompletableFuture<PromptTopic.Past> done = new CompletableFuture<>();
        protocol.execute(() -> prompts.past(PARTITION, 0, 0, done::complete));
        return done;
    }

    private CompletableFuture<?> recentTokens() {
        CompletableFuture<Void> done = new CompletableFuture<>();
        protocol.execute(() ->
                tokens.follow(
                        PARTITION,
                        new TokenTopic.StartingPoint.AppendTime(protocol.now() - PAST.toMillis()),
                        new TokenTopic.Reader() {
                            @Override
                            public void beginningDeleted(long before) {}

                            @Override
                            public void records(List<TokenTopic.TokenRecord> records, long next) {}

                            @Override
                            public void reachedEnd() {
                                done.complete(null);
                            }
                        }));
        return done;
    }

    /// Rounds until they do not get faster any more.
    private CompletableFuture<?> generate(Pin pin) {
        CompletableFuture<Void> done = new CompletableFuture<>();
        protocol.execute(() -> round(pin, 0, Long.MAX_VALUE, done));
        return done;
    }

    private void round(Pin pin, int number, long before, CompletableFuture<Void> done) {
        PromptSubmitted prompt =
                PromptSubmitted.ofMessages(
                                pin.modelId(),
                                List.of(
                                        new Message(
                                                "user",
                                                "Tell me a story of %d birds.".formatted(number))))
                        .build();
        Inference.Work work =
                new Inference.Work(
                        "warm-up-" + number,
                        pin.modelId(),
                        pin.modelDigest(),
                        pin.location(),
                        prompt,
                        protocol.now(),
                        PARAMETERS,
                        number);
        inference.prepare(
                work,
                preparation -> {
                    switch (preparation) {
                        case Inference.Preparation.Refused refused -> {
                            LOG.debugf("model_id=%s: %s", pin.modelId(), refused);
                            done.complete(null);
                        }
                        case Inference.Preparation.Ready ready -> {
                            if (over) {
                                ready.prompt().discard();
                                done.complete(null);
                            } else {
                                start(ready.prompt(), pin, number, before, done);
                            }
                        }
                    }
                });
    }

    private void start(
            Inference.PreparedPrompt prompt,
            Pin pin,
            int number,
            long before,
            CompletableFuture<Void> done) {
        Told told = new Told(System.nanoTime());
        told.ended =
                () -> {
                    running.remove(told.run);
                    next(pin, number, before, told, done);
                };
        told.run = prompt.start(new int[0], false, told);
        running.add(told.run);
    }

    private void next(Pin pin, int number, long before, Told told, CompletableFuture<Void> done) {
        long perToken = (System.nanoTime() - told.begin) / Math.max(1, told.tokens);
        if (!over && number + 1 < ROUNDS && perToken < SETTLED * before) {
            round(pin, number + 1, perToken, done);
        } else {
            done.complete(null);
        }
    }

    private static final class Told implements Inference.RunListener {

        private final long begin;
        private Runnable ended;
        private Inference.Run run;
        private int tokens;

        Told(long begin) {
            this.begin = begin;
        }

        @Override
        public void token(int id, String text, TokenLogprob logprob) {
            tokens++;
        }

        @Override
        public void finished(String reason, String stopSequence, Inference.Saved saved) {
            ended.run();
        }

        @Override
        public void failed(ErrorCode code, String message) {
            // Nothing to measure; whoever asks for this model will be told why.
            tokens = 0;
            ended.run();
        }

        @Override
        public void stopped() {
            ended.run();
        }
    }
}
