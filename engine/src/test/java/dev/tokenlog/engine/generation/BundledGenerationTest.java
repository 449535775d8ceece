package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.generation.GenerationListener.Reason;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// The bundled model through the loop: tokenizer, arithmetic, sampling and batching together.
@Timeout(120)
class BundledGenerationTest {

    private static GenerationRequest request(
            int[] prompt, List<Integer> done, SamplingParameters sampling, String... stop) {
        return new GenerationRequest(
                "g",
                prompt,
                done.stream().mapToInt(Integer::intValue).toArray(),
                sampling,
                96,
                List.of(stop),
                -1,
                0,
                false);
    }

    private static int[] ids(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToInt(JsonNode::intValue)
                .toArray();
    }

    @Test
    void answersTogetherWhatTheReferenceAnswersAlone() throws Exception {
        JsonNode cases = cases();
        try (SourceModel model = SourceModel.open(TestFiles.demoModel());
                ModelTokenizer tokenizer = ModelTokenizer.open(TestFiles.demoModel());
                CpuExecutor executor = CpuExecutor.open(model, CpuOptions.automatic());
                StepLoop loop =
                        StepLoop.start(executor, tokenizer, new StepLoopOptions(5, 24, 7))) {
            List<Recorder> recorders = new ArrayList<>();
            for (JsonNode c : cases) {
                recorders.add(new Recorder());
                loop.submit(
                        request(ids(c.path("input_ids")), List.of(), SamplingParameters.greedy()),
                        recorders.getLast());
            }
            for (int i = 0; i < recorders.size(); i++) {
                int[] expected = ids(cases.get(i).path("greedy_ids"));
                Recorder.Result result = recorders.get(i).await();
                assertThat(result.tokens()).containsExactly(boxed(expected));
                assertThat(result.finish().reason())
                        .isEqualTo(
                                expected[expected.length - 1] == 2 ? Reason.STOP : Reason.LENGTH);
            }
        }
    }

    @Test
    void goesOnWhereAnEarlierRunWasCut() throws Exception {
        int[] prompt = ids(cases().get(0).path("input_ids"));
        SamplingParameters sampling =
                new SamplingParameters(0.8, 0, 0.95, 0, 1.1, 0, 0, GenerationSeed.of("0-41"));
        try (SourceModel model = SourceModel.open(TestFiles.demoModel());
                ModelTokenizer tokenizer = ModelTokenizer.open(TestFiles.demoModel());
                CpuExecutor executor = CpuExecutor.open(model, CpuOptions.automatic());
                StepLoop loop =
                        StepLoop.start(executor, tokenizer, new StepLoopOptions(3, 16, 5))) {
            List<Integer> whole = run(loop, request(prompt, List.of(), sampling)).tokens();
            assertThat(whole).hasSizeGreaterThan(10);
            for (int cut : new int[] {1, whole.size() / 2, whole.size() - 1, whole.size()}) {
                List<Integer> done = whole.subList(0, cut);
                assertThat(run(loop, request(prompt, done, sampling)).tokens())
                        .isEqualTo(whole.subList(cut, whole.size()));
            }
        }
    }

    /// A repetition penalty below 1 makes the model say the same again and again.
    @Test
    void guessedTokensAreThoseOfAScalarRunWithoutGuesses() throws Exception {
        JsonNode cases = cases();
        List<GenerationRequest> requests = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            requests.add(
                    request(
                            ids(cases.get(i % cases.size()).path("input_ids")),
                            List.of(),
                            new SamplingParameters(
                                    i % 2 == 0 ? 0 : 0.7, 0, 1, 0, i < 4 ? 0.5 : 1, 0, 0, i)));
        }
        List<List<Integer>> expected = new ArrayList<>();
        try (SourceModel model = SourceModel.open(TestFiles.demoModel());
                ModelTokenizer tokenizer = ModelTokenizer.open(TestFiles.demoModel());
                CpuExecutor executor =
                        CpuExecutor.open(
                                model,
                                CpuOptions.automatic().withCompute("scalar").withThreads(1));
                StepLoop loop =
                        StepLoop.start(executor, tokenizer, new StepLoopOptions(1, 8, 8, 0))) {
            for (GenerationRequest request : requests) {
                expected.add(run(loop, request).tokens());
            }
        }
        int accepted = 0;
        try (SourceModel model = SourceModel.open(TestFiles.demoModel());
                ModelTokenizer tokenizer = ModelTokenizer.open(TestFiles.demoModel());
                CpuExecutor executor = CpuExecutor.open(model, CpuOptions.automatic());
                StepLoop loop =
                        StepLoop.start(
                                executor,
                                tokenizer.endOfSequence(),
                                () -> Integer::toString,
                                new StepLoopOptions(3, 24, 7, 9),
                                () -> 0)) {
            List<Recorder> recorders = new ArrayList<>();
            for (GenerationRequest request : requests) {
                recorders.add(new Recorder());
                loop.submit(request, recorders.getLast());
            }
            for (int i = 0; i < recorders.size(); i++) {
                Recorder.Result result = recorders.get(i).await();
                assertThat(result.tokens()).isEqualTo(expected.get(i));
                accepted += result.finish().statistics().acceptedTokens();
            }
        }
        assertThat(accepted).isGreaterThan(20);
    }

    @Test
    void endsAtAStopText() throws Exception {
        JsonNode story = cases().get(0);
        // two words of the reference's answer, across a token's border
        String text = story.path("greedy_text").textValue();
        String stop = text.substring(text.indexOf(' ', 20) - 2, text.indexOf(' ', 20) + 3);
        try (SourceModel model = SourceModel.open(TestFiles.demoModel());
                ModelTokenizer tokenizer = ModelTokenizer.open(TestFiles.demoModel());
                CpuExecutor executor = CpuExecutor.open(model, CpuOptions.automatic());
                StepLoop loop = StepLoop.start(executor, tokenizer, StepLoopOptions.standard())) {
            int[] prompt = ids(story.path("input_ids"));
            Recorder.Result result =
                    run(
                            loop,
                            request(
                                    prompt,
                                    List.of(),
                                    SamplingParameters.greedy(),
                                    "\u0007",
                                    stop));
            assertThat(result.finish().reason()).isEqualTo(Reason.STOP);
            assertThat(result.finish().stopSequence()).isEqualTo(stop);
            int[] tokens = result.tokens().stream().mapToInt(Integer::intValue).toArray();
            assertThat(tokenizer.detokenizer().append(tokens)).contains(stop);
            int[] less = java.util.Arrays.copyOf(tokens, tokens.length - 1);
            assertThat(tokenizer.detokenizer().append(less)).doesNotContain(stop);
        }
    }

    private static Recorder.Result run(StepLoop loop, GenerationRequest request) throws Exception {
        Recorder recorder = new Recorder(request.doneIds().length, count -> {});
        loop.submit(request, recorder);
        Recorder.Result result = recorder.await();
        result.finish();
        return result;
    }

    private static JsonNode cases() throws IOException {
        return TestMaterial.json(TestFiles.root().resolve("demo-model/reference.json"))
                .path("cases");
    }

    private static Integer[] boxed(int[] ids) {
        return java.util.Arrays.stream(ids).boxed().toArray(Integer[]::new);
    }
}
