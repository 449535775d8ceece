package dev.tokenlog.chaos;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.generation.GenerationListener;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.generation.SamplingParameters;
import dev.tokenlog.engine.generation.StepLoop;
import dev.tokenlog.engine.generation.StepLoopOptions;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.PromptEncoder;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/// The undisturbed run: every prompt by the engine alone, in this process, where nobody dies.
final class Reference implements AutoCloseable {

    /// @param reason `stop` or `length`
    record Answer(List<Integer> tokens, String reason) {}

    private final Artifact artifact;
    private final ModelTokenizer tokenizer;
    private final PromptEncoder encoder;
    private final CpuExecutor executor;
    private final StepLoop engine;

    /// @param folder of the artifact
    Reference(Path folder) {
        artifact = Artifact.open(folder, true);
        tokenizer = ModelTokenizer.open(folder);
        encoder = new PromptEncoder(tokenizer, ChatTemplate.open(folder));
        executor = CpuExecutor.open(artifact, CpuOptions.automatic());
        engine = StepLoop.start(executor, tokenizer, StepLoopOptions.standard());
    }

    /// The answers to the prompts of a log, by generation id.
    Map<String, Answer> answers(RawLog prompts) {
        Map<String, CompletableFuture<Answer>> running = new LinkedHashMap<>();
        for (RawLog.Entry entry : prompts.entries()) {
            ObjectNode prompt = entry.json();
            if (prompt == null) {
                continue;
            }
            String id = prompt.path("generation_id").asText();
            if (!running.containsKey(id)) {
                Running answer = new Running();
                running.put(id, answer.done);
                engine.submit(request(id, prompt, entry.appendTime()), answer);
            }
        }
        Map<String, Answer> answers = new LinkedHashMap<>();
        running.forEach((id, answer) -> answers.put(id, answer.join()));
        return answers;
    }

    private GenerationRequest request(String id, ObjectNode prompt, long appendTime) {
        List<Map<String, Object>> messages = new ArrayList<>();
        for (JsonNode message : prompt.path("messages")) {
            messages.add(
                    Map.of(
                            "role", message.path("role").asText(),
                            "content", message.path("content").asText()));
        }
        return new GenerationRequest(
                id,
                encoder.messages(messages, Instant.ofEpochMilli(appendTime)),
                new int[0],
                new SamplingParameters(
                        prompt.path("temperature").asDouble(),
                        0,
                        prompt.path("top_p").asDouble(1),
                        0,
                        1,
                        0,
                        0,
                        prompt.path("seed").asLong()),
                prompt.path("max_tokens").asInt(),
                List.of(),
                -1,
                0,
                false);
    }

    private static final class Running implements GenerationListener {

        private final List<Integer> tokens = new ArrayList<>();
        private final CompletableFuture<Answer> done = new CompletableFuture<>();

        @Override
        public void onToken(int index, int tokenId, TokenLogProbability logprob) {
            tokens.add(tokenId);
        }

        @Override
        public void onFinished(Finish finish) {
            done.complete(new Answer(tokens, finish.reason().name().toLowerCase(Locale.ROOT)));
        }

        @Override
        public void onFailed(Exception failure) {
            done.completeExceptionally(failure);
        }

        @Override
        public void onStopped() {
            done.completeExceptionally(new IllegalStateException("stopped"));
        }
    }

    @Override
    public void close() {
        engine.close();
        executor.close();
        tokenizer.close();
        artifact.close();
    }
}
