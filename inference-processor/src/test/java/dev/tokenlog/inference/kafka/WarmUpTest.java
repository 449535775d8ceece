package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.inference.model.ModelPool.Pin;
import dev.tokenlog.inference.protocol.Inference;
import dev.tokenlog.inference.protocol.PromptTopic;
import dev.tokenlog.inference.protocol.SendResult;
import dev.tokenlog.inference.protocol.TokenTopic;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import org.apache.kafka.common.header.Headers;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// What a warm-up that did not come to its end in time leaves behind.
class WarmUpTest {

    private static final Duration BRIEF = Duration.ofSeconds(3);
    private static final Set<Pin> PINS = Set.of(new Pin("demo", "sha256-demo", "/models/demo"));

    private final ProtocolThread protocol = new ProtocolThread(Duration.ZERO, () -> {});
    private final List<String> told = new CopyOnWriteArrayList<>();
    private final CompletableFuture<Consumer<Inference.Preparation>> asked =
            new CompletableFuture<>();

    @AfterEach
    void close() {
        protocol.close();
    }

    @Test
    void whatRunsIsStoppedAndNothingFollowsIt() throws Exception {
        asked.thenAccept(done -> done.accept(ready()));
        warmUp();
        onProtocolThread(() -> {});
        assertThat(told).containsExactly("prepares", "starts", "stops", "unfollows");
    }

    @Test
    void whatIsReadyTooLateIsGivenBack() throws Exception {
        warmUp();
        onProtocolThread(() -> asked.join().accept(ready()));
        assertThat(told).containsExactly("prepares", "unfollows", "discards");
    }

    private void warmUp() {
        new WarmUp(protocol, new SlowInference(), new SilentPrompts(), new SilentTokens())
                .run(BRIEF, () -> true, () -> PINS);
    }

    private void onProtocolThread(Runnable task) throws Exception {
        protocol.ask(
                        () -> {
                            task.run();
                            return true;
                        })
                .get(10, TimeUnit.SECONDS);
    }

    private Inference.Preparation ready() {
        return new Inference.Preparation.Ready(new EndlessPrompt());
    }

    private final class SlowInference implements Inference {
        @Override
        public String numericsId() {
            return "test";
        }

        @Override
        public Preparing prepare(Work work, Consumer<Preparation> done) {
            told.add("prepares");
            asked.complete(done);
            return () -> {};
        }
    }

    private final class EndlessPrompt implements Inference.PreparedPrompt {
        @Override
        public int promptTokens() {
            return 1;
        }

        @Override
        public String promptHash() {
            return "hash";
        }

        @Override
        public OptionalLong peakMemoryBytes() {
            return OptionalLong.empty();
        }

        @Override
        public Inference.Run start(int[] doneIds, boolean alone, Inference.RunListener listener) {
            told.add("starts");
            return () -> {
                told.add("stops");
                listener.stopped();
            };
        }

        @Override
        public void discard() {
            told.add("discards");
        }
    }

    private static final class SilentPrompts implements PromptTopic {
        @Override
        public void past(int partition, long committed, long windowMillis, Consumer<Past> done) {}

        @Override
        public void firstFrom(int partition, long offset, LongConsumer done) {}

        @Override
        public void commit(int partition, Commit commit, Consumer<Boolean> done) {}
    }

    private final class SilentTokens implements TokenTopic {
        @Override
        public void append(
                int partition, TokenEvent event, Headers prompt, Consumer<SendResult> done) {}

        @Override
        public void follow(int partition, StartingPoint from, Reader reader) {}

        @Override
        public void unfollow(int partition) {
            told.add("unfollows");
        }
    }
}
