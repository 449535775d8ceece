package dev.tokenlog.inference.model;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tokenlog.artifactstore.object.ArtifactFinder;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.PromptEvent.Message;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.TokenLogprob;
import dev.tokenlog.contracts.TokenHash;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.generation.StepLoopOptions;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.inference.protocol.Inference;
import dev.tokenlog.inference.protocol.Inference.Preparation;
import dev.tokenlog.inference.protocol.Inference.PreparedPrompt;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The bundled model behind the protocol's interface: the same tokens however often it is taken up
/// again.
class EngineInferenceTest {

    private static final Path DEMO =
            Path.of(System.getProperty("tokenlog.root", ".."), "demo-model");
    private static final int MAX_TOKENS = 60;

    @TempDir private static Path folder;
    private static String digest;
    private static EngineInference inference;

    @BeforeAll
    static void convert() {
        ArtifactStore store = new ArtifactStore(folder);
        try (SourceModel source = SourceModel.open(DEMO.resolve("model"));
                Artifact artifact =
                        new Converter()
                                .convert(
                                        source,
                                        Recipe.of(NumberCode.INT8),
                                        store,
                                        new ConversionListener() {})) {
            digest = artifact.digest().orElseThrow();
        }
        inference =
                new EngineInference(
                        new ArtifactLoader(
                                ArtifactFinder.local(store),
                                KernelSelection.select(KernelSelection.AUTOMATIC),
                                CpuOptions.automatic(),
                                StepLoopOptions.standard(),
                                Optional.empty()),
                        Runnable::run);
    }

    @AfterAll
    static void close() {
        inference.close();
    }

    private static JsonNode reference() throws Exception {
        return new ObjectMapper()
                .readTree(DEMO.resolve("reference.json").toFile())
                .get("cases")
                .get(0);
    }

    private static Preparation prepare(PromptSubmitted prompt) throws Exception {
        CompletableFuture<Preparation> prepared = new CompletableFuture<>();
        Parameters parameters =
                new Parameters(MAX_TOKENS, 0.8, 0, 0.95, 0.0, 1.0, 0.0, 0.0, List.of(), 1, null, 0);
        inference.prepare(
                new Inference.Work("g", "demo", digest, null, prompt, 0, parameters, 7),
                prepared::complete);
        return prepared.get(60, TimeUnit.SECONDS);
    }

    private static PreparedPrompt story() throws Exception {
        JsonNode message = reference().get("messages").get(0);
        PromptSubmitted prompt =
                PromptSubmitted.ofMessages(
                                "demo",
                                List.of(
                                        new Message(
                                                message.get("role").asText(),
                                                message.get("content").asText())))
                        .build();
        return ((Preparation.Ready) prepare(prompt)).prompt();
    }

    private static final class Collected implements Inference.RunListener {
        final List<Integer> ids = new ArrayList<>();
        final StringBuilder text = new StringBuilder();
        final CompletableFuture<String> end = new CompletableFuture<>();
        int logprobs;

        @Override
        public void token(int id, String added, TokenLogprob logprob) {
            ids.add(id);
            text.append(added);
            logprobs += logprob == null ? 0 : 1;
        }

        @Override
        public void finished(String reason, String stopSequence, Inference.Saved saved) {
            end.complete(reason);
        }

        @Override
        public void failed(ErrorCode code, String message) {
            end.complete(code + " " + message);
        }

        @Override
        public void stopped() {
            end.complete("stopped");
        }
    }

    private static Collected run(int[] done) throws Exception {
        Collected collected = new Collected();
        story().start(done, false, collected);
        collected.end.get(60, TimeUnit.SECONDS);
        return collected;
    }

    @Test
    void thePromptHasTheIdsOfTheReference() throws Exception {
        int[] ids = new ObjectMapper().convertValue(reference().get("input_ids"), int[].class);
        assertThat(story().promptTokens()).isEqualTo(ids.length);
        assertThat(story().promptHash()).isEqualTo(TokenHash.of(ids));
    }

    @Test
    void aGenerationTakenUpAgainAnywhereGivesTheSameTokensAndText() throws Exception {
        Collected whole = run(new int[0]);
        assertThat(whole.end.get()).isIn("stop", "length");
        assertThat(whole.logprobs).isEqualTo(whole.ids.size());
        int[] ids = whole.ids.stream().mapToInt(Integer::intValue).toArray();
        for (int cut : new int[] {1, 2, ids.length / 2, ids.length - 1, ids.length}) {
            Collected rest = run(Arrays.copyOf(ids, cut));
            assertThat(rest.ids).isEqualTo(whole.ids.subList(cut, ids.length));
            assertThat(whole.text).endsWith(rest.text);
            assertThat(rest.end.get()).isEqualTo(whole.end.get());
        }
    }

    @Test
    void whatDoesNotFitIsRefused() throws Exception {
        String tooLong = "many words ".repeat(2_000);
        assertThat(prepare(PromptSubmitted.ofText("demo", tooLong).build()))
                .isInstanceOfSatisfying(
                        Preparation.Refused.class,
                        refused ->
                                assertThat(refused.refusal().code())
                                        .isEqualTo(ErrorCode.CONTEXT_TOO_LONG));
    }

    @Test
    void aModelThatIsNotThereIsRefused() throws Exception {
        CompletableFuture<Preparation> prepared = new CompletableFuture<>();
        inference.prepare(
                new Inference.Work(
                        "g",
                        "demo",
                        "sha256-" + "0".repeat(64),
                        "/nowhere",
                        PromptSubmitted.ofText("demo", "x").build(),
                        0,
                        null,
                        7),
                prepared::complete);
        assertThat(prepared.get(60, TimeUnit.SECONDS))
                .isInstanceOfSatisfying(
                        Preparation.Refused.class,
                        refused ->
                                assertThat(refused.refusal().code())
                                        .isEqualTo(ErrorCode.MODEL_UNREADABLE));
    }
}
