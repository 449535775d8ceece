package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.GgufFolder;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A real chat model, SmolLM2-135M-Instruct, where it has been fetched and TOKENLOG_REAL_MODEL
/// names its folder.
class RealModelTest {

    private static final String REAL_MODEL = "TOKENLOG_REAL_MODEL";

    /// An engine in float arithmetic reproduces these logits to about 1e-3 of their size.
    private static final double TOLERANCE = 5e-3;

    @Test
    void floatLogitsAndGreedyTextsOfTheReference() throws IOException {
        JsonNode reference = reference();
        try (Model model = SourceModel.open(realModel());
                Executor executor = CpuExecutor.open(model, CpuOptions.automatic())) {
            for (JsonNode one : reference.get("cases")) {
                ReferenceLogitsTest.check(executor, one, TOLERANCE, 16);
            }
        }
    }

    /// Greedily, from the first token on. Its lead is small: "The" stands 0.08 before "L" in float,
    /// which 8-bit activations beside the 8-bit weights would turn round.
    @ParameterizedTest
    @ValueSource(strings = {"int8", "int4"})
    void knowsTheCapitalOfFrance(String recipe, @TempDir Path store) throws IOException {
        JsonNode question = reference().get("cases").get(0);
        assertThat(question.get("greedy_text").asText())
                .isEqualTo("The capital of France is Paris.");
        int[] prompt = ReferenceLogitsTest.ints(question.get("input_ids"));
        try (SourceModel source = SourceModel.open(realModel());
                Model model =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.parse(recipe),
                                        new ArtifactStore(store),
                                        new ConversionListener() {});
                ModelTokenizer tokenizer = ModelTokenizer.open(model.folder());
                Executor executor = CpuExecutor.open(model, CpuOptions.automatic())) {
            int[] answer = Logits.greedy(executor, prompt, 8);

            assertThat(executor.numericsId()).isEqualTo("cpu-2/kv16");
            assertThat(tokenizer.decode(answer, true)).startsWith("The capital of France is Paris");
        }
    }

    /// The same weights, decoded by somebody else and stored as F32: the plan is the same, and so
    /// is every bit.
    @Test
    void theGgufFileComputesWhatTheFolderDoes() throws IOException {
        JsonNode reference = reference();
        Path folder = realModel();
        try (SourceModel gguf = SourceModel.open(ggufFile());
                SourceModel hub = SourceModel.open(folder);
                Executor ours = CpuExecutor.open(gguf, CpuOptions.automatic());
                Executor theirs = CpuExecutor.open(hub, CpuOptions.automatic())) {
            assertThat(gguf.plan()).isEqualTo(hub.plan());
            for (JsonNode one : reference.get("cases")) {
                int[] ids = ReferenceLogitsTest.ints(one.get("input_ids"));
                assertThat(Logits.of(ours, ids)).isDeepEqualTo(Logits.of(theirs, ids));
            }
            ReferenceLogitsTest.check(ours, reference.get("cases").get(0), TOLERANCE, 8);
            assertPerplexity(ours, reference.get("text"), 1);
        }
    }

    /// Of the first windows of the reference's text.
    private static void assertPerplexity(Executor executor, JsonNode text, int windows)
            throws IOException {
        int[] ids;
        // The folder's tokenizer, with which the reference was made, cuts no digits off what stands
        // before them; the file says `smollm`, which does: one token of 4390 is another.
        try (ModelTokenizer tokenizer = ModelTokenizer.open(realModel())) {
            String content = Files.readString(TestFiles.shared("smollm2").resolve("text.txt"));
            ids = tokenizer.encode(content, false);
        }
        assertThat(ids).hasSize(text.get("tokens_in_file").asInt());
        int length = text.get("window").asInt();
        for (int window = 0; window < windows; window++) {
            int[] part = Arrays.copyOfRange(ids, window * length, (window + 1) * length);
            float[][] logits = Logits.of(executor, part);
            double likelihood = 0;
            for (int position = 0; position + 1 < length; position++) {
                likelihood -= logProbability(logits[position], part[position + 1]);
            }
            double wanted = text.get("negative_log_likelihood").get(window).asDouble();
            assertThat(Math.exp(likelihood / (length - 1.0)))
                    .isCloseTo(Math.exp(wanted / (length - 1.0)), withinPercentage(0.1));
        }
    }

    private static double logProbability(float[] logits, int id) {
        double max = Double.NEGATIVE_INFINITY;
        for (float logit : logits) {
            max = Math.max(max, logit);
        }
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - max);
        }
        return logits[id] - max - Math.log(sum);
    }

    @Test
    void theGgufFileTokenizesAndRendersAsTheFolderDoes() throws IOException {
        Path folder = realModel();
        try (GgufFolder files = GgufFolder.tokenizer(ggufFile());
                ModelTokenizer ours = ModelTokenizer.open(files.folder());
                ModelTokenizer theirs = ModelTokenizer.open(folder)) {
            for (String text : TEXTS) {
                int[] ids = theirs.encode(text, true);
                assertThat(ours.encode(text, true)).describedAs(text).isEqualTo(ids);
                assertThat(ours.decode(ids, true)).isEqualTo(theirs.decode(ids, true));
                assertThat(ours.decode(ids, false)).isEqualTo(theirs.decode(ids, false));
            }
            assertThat(ours.endOfSequence()).isEqualTo(theirs.endOfSequence());
            assertThat(ours.vocabularySize()).isEqualTo(theirs.vocabularySize());
            ChatTemplate own = ChatTemplate.open(files.folder());
            ChatTemplate hub = ChatTemplate.open(folder);
            for (JsonNode one : reference().get("cases")) {
                List<Map<String, Object>> messages =
                        new ObjectMapper()
                                .convertValue(one.get("messages"), new TypeReference<>() {});
                assertThat(own.render(messages, true, null, Instant.EPOCH))
                        .isEqualTo(hub.render(messages, true, null, Instant.EPOCH))
                        .isEqualTo(one.get("rendered").asText());
            }
        }
    }

    private static final List<String> TEXTS =
            List.of(
                    "",
                    " ",
                    "Hello, world!  Two spaces,\ttabs\n\nand 12345.678 numbers it's we'll",
                    "<|im_start|>user\nhi<|im_end|>\n<|endoftext|>",
                    "gr\u00fc\u00dfe, na\u00efve caf\u00e9, \u0141\u00f3d\u017a, \u0130stanbul",
                    "\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440",
                    "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5",
                    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
                    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0ba4\u0bae\u0bbf\u0bb4\u0bcd",
                    "\u4f60\u597d\u4e16\u754c \u3053\u3093\u306b\u3061\u306f \uc548\ub155",
                    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u1019\u103c\u1014\u103a\u1019\u102c",
                    "\ud83d\ude00 \ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67 \ud83c\uddeb\ud83c\uddf7 e\u0301",
                    "\u0000\u0001\u001b[0m\u2028\ufeff\ufffd");

    /// Beside the folder `hf` that TOKENLOG_REAL_MODEL names, or in the folder that holds it.
    private static Path ggufFile() throws IOException {
        Path folder = realModel();
        for (Path each : List.of(folder, folder.toAbsolutePath().getParent())) {
            try (Stream<Path> files = Files.list(each)) {
                Optional<Path> found =
                        files.filter(file -> file.toString().endsWith(".gguf")).findFirst();
                if (found.isPresent()) {
                    return found.get();
                }
            }
        }
        assumeTrue(false, "skipped: there is no GGUF file beside " + folder);
        throw new AssertionError();
    }

    private static JsonNode reference() throws IOException {
        return ReferenceLogitsTest.read(TestFiles.shared("smollm2").resolve("reference.json"));
    }

    private static Path realModel() {
        Optional<Path> folder =
                Optional.ofNullable(System.getProperty(REAL_MODEL, System.getenv(REAL_MODEL)))
                        .map(Path::of)
                        .map(path -> Files.exists(path.resolve("hf")) ? path.resolve("hf") : path)
                        .filter(path -> Files.exists(path.resolve("config.json")));
        String reason = REAL_MODEL + " names no folder with SmolLM2-135M-Instruct";
        // ./tokenlog test --require model
        if (folder.isEmpty() && System.getProperty("tokenlog.require", "").contains("model")) {
            throw new AssertionError("--require model: " + reason);
        }
        assumeTrue(folder.isPresent(), "skipped: " + reason);
        return folder.get();
    }
}
