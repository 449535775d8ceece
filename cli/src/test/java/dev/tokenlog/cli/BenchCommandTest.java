package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.ModelShapes;
import dev.tokenlog.engine.compute.KernelProbe;
import dev.tokenlog.engine.compute.KernelProbes;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class BenchCommandTest {

    /// Numbers of parameters as published, norms left out.
    @ParameterizedTest
    @CsvSource({
        "smollm2-135m, 134479872",
        "tinyllama-1.1b, 1099956224",
        "llama-7b, 6738149376",
        "mistral-7b, 7241465856",
        "llama-8b, 8029995008"
    })
    void shapesAreThoseOfThePublishedModels(String label, long parameters) throws Exception {
        ModelPlan plan = ModelPlans.of(ModelShapes.config(label), label);

        long counted =
                PlanMatrices.of(plan).stream()
                        .mapToLong(matrix -> (long) matrix.rows() * matrix.columns())
                        .sum();

        assertThat(counted).isEqualTo(parameters);
        double perToken = PlanMatrices.layerProducts(plan) + PlanMatrices.headProducts(plan);
        long embedding = (long) plan.vocabularySize() * plan.hiddenSize();
        assertThat(perToken).isEqualTo(plan.tiedEmbeddings() ? parameters : parameters - embedding);
    }

    @Test
    void itMeasuresTheBundledModel() {
        CommandRun run = bench("--json");

        assertThat(run.status()).as(run.toString()).isZero();
        assertThat(run.out().lines()).hasSize(1);
        JsonNode answer = Json.read(run.out(), "bench");
        assertThat(answer.path("runs")).hasSize(1);
        JsonNode only = answer.path("runs").path(0);
        assertThat(only.path("numerics_id").asText()).isEqualTo("float-1/kv32");
        assertThat(only.path("compute").asText()).contains("1 thread");
        assertThat(only.path("load_seconds").asDouble()).isPositive();
        assertThat(only.path("first_token_seconds").asDouble()).isPositive();
        assertThat(answer.has("peak_memory_bytes"))
                .isEqualTo(Files.isReadable(Path.of("/proc/self/status")));
        assertThat(answer.path("machine").asText()).isNotEmpty();
        assertThat(answer.path("commit").asText()).isNotEmpty();
        assertThat(figure(answer.path("runs").path(0), "prompt of 20").path("median").asDouble())
                .isPositive();
        assertThat(figure(answer.path("runs").path(0), "decode, batch 2").path("median").asDouble())
                .isPositive();
    }

    @ParameterizedTest
    @CsvSource({
        "--batch=100000, 100000 sequences of 257 tokens",
        "'--batch=,', numbers of at least 1",
        "'--prompt=,', numbers of at least 1",
        "--batch=0, numbers of at least 1"
    })
    void whatCannotBeMeasuredIsRefused(String option, String why) {
        CommandRun run =
                CommandRun.of("bench", "--model", CommandRun.demoModel(), "--decode", "1", option);

        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains(why);
    }

    @Test
    void theYardstickNeedsQuantizedWeights() {
        CommandRun run = bench("--yardstick");

        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains("this model is in float");
    }

    @Test
    void randomWeightsAreMeasuredAgainstTheYardstick() {
        KernelProbe probe = KernelProbes.all().getFirst();
        assumeTrue(probe instanceof KernelProbe.Usable, "skipped: " + probe);
        CommandRun run =
                CommandRun.of(
                        "bench --shape smollm2-135m --codes int8 --prompt 8 --decode 2 --batch 1"
                                .concat(" --rounds 1 --threads 2 --yardstick --json")
                                .split(" "));

        assertThat(run.status()).as(run.toString()).isZero();
        JsonNode answer = Json.read(run.out(), "bench");
        assertThat(answer.path("codes").asText()).isEqualTo("int8");
        assertThat(figure(answer.path("runs").path(0), "prompt of 8").path("of_limit").asDouble())
                .isPositive();
        assertThat(
                        figure(answer.path("runs").path(0), "decode, batch 1")
                                .path("of_limit")
                                .asDouble())
                .isPositive();
        assertThat(figure(answer.path("runs").path(0), "memory rate").path("unit").asText())
                .isEqualTo("GB/s");
    }

    @Test
    void severalKernelsStandSideBySide() {
        CommandRun run = bench("--compute=scalar,vector");

        assertThat(run.status()).as(run.toString()).isZero();
        List<String> lines = run.out().lines().toList();
        assertThat(lines.get(2)).startsWith("figure").contains("scalar", "vector");
        assertThat(lines.get(3)).startsWith("prompt of 20").contains("(1.00)");
    }

    @Test
    void anotherProgramAsksLineByLine() {
        InputStream before = System.in;
        String questions = "prompt 20\ndecode 2 3\ndecode 2 3\n";
        System.setIn(new ByteArrayInputStream(questions.getBytes(StandardCharsets.UTF_8)));
        CommandRun run;
        try {
            run = bench("--stdin");
        } finally {
            System.setIn(before);
        }

        assertThat(run.status()).as(run.toString()).isZero();
        List<String> lines = run.out().lines().toList();
        assertThat(lines).hasSize(4);
        assertThat(Json.read(lines.getFirst(), "ready").path("load_seconds").asDouble())
                .isPositive();
        assertThat(lines.subList(1, 4))
                .allSatisfy(line ->
                        assertThat(Json.read(line, "rate").path("tokens_per_second").asDouble())
                                .isPositive());
    }

    @Test
    void aQuestionThatIsNoneIsRefused() {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream("decode two 3\n".getBytes(StandardCharsets.UTF_8)));
        CommandRun run;
        try {
            run = bench("--stdin");
        } finally {
            System.setIn(before);
        }

        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains("decode two 3");
    }

    private static CommandRun bench(String option) {
        return CommandRun.of(
                "bench",
                "--model",
                CommandRun.demoModel(),
                "--prompt",
                "20",
                "--decode",
                "3",
                "--batch",
                "2",
                "--rounds",
                "1",
                "--threads",
                "1",
                option);
    }

    private static JsonNode figure(JsonNode answer, String name) {
        return StreamSupport.stream(answer.path("figures").spliterator(), false)
                .filter(each -> each.path("name").asText().equals(name))
                .findFirst()
                .orElseThrow();
    }
}
