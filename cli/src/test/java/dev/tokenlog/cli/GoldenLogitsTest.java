package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.format.npy.NpyArray;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// `tokenlog logits` on the tiny model of every family, against an independent implementation: as a
/// user would compare them.
class GoldenLogitsTest {

    private static final double TOLERANCE = 1e-3;

    /// References of modules that were cast to BF16 as a whole
    /// (`docs/decisions/0080-rotary-frequencies-are-not-rounded.md`).
    private static final Set<String> CAST = Set.of("llama-3.2", "gemma", "mistral", "qwen2");

    private static final Path GOLDEN =
            Path.of(System.getProperty("tokenlog.root"), "engine/src/test/resources/golden");

    @TempDir Path temp;

    static List<Path> goldenModels() throws IOException {
        try (Stream<Path> folders = Files.list(GOLDEN)) {
            return folders.filter(Files::isDirectory).sorted().toList();
        }
    }

    @ParameterizedTest
    @MethodSource("goldenModels")
    void logitsAndGreedyTextAreThoseOfTheReference(Path model) throws IOException {
        JsonNode reference = Json.read(Files.readString(model.resolve("reference.json")), "cases");
        for (JsonNode one : reference.path("cases")) {
            Path ids = temp.resolve("ids.json");
            Files.writeString(ids, Json.text(one));
            Path out = temp.resolve("logits.npy");
            CommandRun run = CommandRun.of(arguments(model, one, ids, out));
            assertThat(run.status()).as(run.toString()).isZero();

            assertThat(Json.read(run.out(), "ids")).isEqualTo(one.path("greedy_ids"));
            float[] expected = NpyArray.read(model.resolve(one.path("logits").asText())).values();
            float[] actual = NpyArray.read(out).values();
            assertThat(actual).hasSameSizeAs(expected);
            double tolerance = TOLERANCE * one.path("std_of_logits").asDouble();
            for (int i = 0; i < expected.length; i++) {
                assertThat(Math.abs(actual[i] - expected[i]) < tolerance)
                        .describedAs("%s: %s is %s, expected %s", model, i, actual[i], expected[i])
                        .isTrue();
            }
        }
    }

    private static String[] arguments(Path model, JsonNode one, Path ids, Path out) {
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "logits",
                                model.toString(),
                                "--ids-file",
                                ids.toString(),
                                "--out",
                                out.toString(),
                                "--greedy",
                                Integer.toString(one.path("greedy_ids").size())));
        if (CAST.contains(model.getFileName().toString())) {
            arguments.addAll(List.of("--rotary-cast", "bfloat16"));
        }
        return arguments.toArray(String[]::new);
    }

    @Test
    void rotaryCastKnowsOneType() {
        CommandRun run =
                CommandRun.of(
                        "logits",
                        CommandRun.demoModel(),
                        "--ids",
                        "1",
                        "--greedy",
                        "1",
                        "--rotary-cast",
                        "float16");
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains("--rotary-cast").contains("float16");
    }

    /// Two ways to make a reference part here: it is said which one this is.
    @ParameterizedTest
    @CsvSource({"qwen2, , true", "qwen2, bfloat16, false", "llama, , false"})
    void aModelInBfloat16SaysHowItsFrequenciesAreRounded(String name, String cast, boolean said) {
        List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "logits",
                                GOLDEN.resolve(name).toString(),
                                "--ids",
                                "1",
                                "--greedy",
                                "1"));
        if (cast != null) {
            arguments.addAll(List.of("--rotary-cast", cast));
        }
        CommandRun run = CommandRun.of(arguments.toArray(String[]::new));
        assertThat(run.status()).isEqualTo(ExitStatus.DONE);
        assertThat(run.err().contains("add --rotary-cast bfloat16")).isEqualTo(said);
    }
}
