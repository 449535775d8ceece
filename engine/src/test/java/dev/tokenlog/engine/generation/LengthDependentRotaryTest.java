package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Answers that grow beyond the original context of their model, where its rotary factors change.
@Timeout(60)
class LengthDependentRotaryTest {

    /// Continuations by transformers 5.23.0 in float64, greedy, without a cache; with its cache,
    /// transformers gives the same for the first two, and stale keys in the third one's. Prompts
    /// are the first tokens of a case of the golden model. The original contexts are 40, 40 and 44.
    @ParameterizedTest
    @CsvSource({
        "phi3-longrope, 34," + " 303 162 257 206 290 125 44 192 187 192 162 162 221 269 53 266",
        "phi3-partial-longrope, 36,"
                + " 255 54 12 287 20 196 218 267 236 200 109 56 176 168 171 132",
        "llama-dynamic, 40, 117 70 14 238 117 50 263 217 221 278 45 196 122 122 48 140"
    })
    void anAnswerIsTheSameHoweverOftenItIsResumed(String golden, int promptTokens, String answer)
            throws Exception {
        int[] expected = Arrays.stream(answer.split(" ")).mapToInt(Integer::parseInt).toArray();
        int[] prompt = prompt(golden, promptTokens);
        try (SourceModel model = SourceModel.open(TestFiles.golden(golden));
                CpuExecutor executor =
                        CpuExecutor.open(model, CpuOptions.automatic().withThreads(2));
                StepLoop loop =
                        StepLoop.start(
                                executor,
                                Set.of(),
                                () -> Integer::toString,
                                new StepLoopOptions(20, 32, 8))) {
            List<Recorder> recorders = new ArrayList<>();
            for (int done = 0; done < expected.length; done++) {
                recorders.add(new Recorder(done, count -> {}));
                loop.submit(resumed(prompt, expected, done), recorders.getLast());
            }
            for (int done = 0; done < expected.length; done++) {
                assertThat(recorders.get(done).await().tokens())
                        .describedAs("resumed after %d tokens", done)
                        .isEqualTo(
                                IntStream.range(done, expected.length)
                                        .mapToObj(i -> expected[i])
                                        .toList());
            }
        }
    }

    private static GenerationRequest resumed(int[] prompt, int[] answer, int done) {
        return new GenerationRequest(
                "after " + done,
                prompt,
                Arrays.copyOf(answer, done),
                SamplingParameters.greedy(),
                answer.length,
                List.of(),
                -1,
                0,
                false);
    }

    private static int[] prompt(String golden, int tokens) throws IOException {
        JsonNode reference = TestMaterial.json(TestFiles.golden(golden).resolve("reference.json"));
        JsonNode ids = reference.get("cases").get(1).get("input_ids");
        return IntStream.range(0, tokens).map(i -> ids.get(i).intValue()).toArray();
    }
}
