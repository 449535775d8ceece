package dev.tokenlog.engine.hostile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.PlannedTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Every field of every family's configuration with every value that nobody would write.
class HostileConfigurationsTest {

    private static final String MARK = "MARK";

    private static final List<String> VALUES =
            List.of(
                    "0",
                    "-1",
                    "1",
                    "3",
                    "1048576",
                    "1048577",
                    "2147483647",
                    "2147483648",
                    "-2147483648",
                    "9223372036854775807",
                    "9223372036854775808",
                    "123456789012345678901234567890",
                    "0.0",
                    "-0.5",
                    "1e-320",
                    "1e-46",
                    "1e39",
                    "1e308",
                    "1e999",
                    "-1e999",
                    "1e999999999",
                    "\"NaN\"",
                    "\"\"",
                    "true",
                    "null",
                    "[]",
                    "{}",
                    "[1e999]",
                    "[[0]]",
                    "[" + "0.5,".repeat(5000) + "1]");

    @TempDir Path temp;

    /// One of each family, and those with a rotary scaling of another kind.
    static List<String> goldenModels() throws IOException {
        Map<String, String> models = new TreeMap<>();
        for (String name : TestFiles.goldenModels()) {
            JsonNode config = TestMaterial.json(TestFiles.golden(name).resolve("config.json"));
            JsonNode scaling =
                    config.path(config.has("rope_scaling") ? "rope_scaling" : "rope_parameters");
            String kind = scaling.path("rope_type").asText() + scaling.path("type").asText();
            models.putIfAbsent(config.path("model_type").asText() + " " + kind, name);
        }
        return List.copyOf(models.values());
    }

    @ParameterizedTest
    @MethodSource("goldenModels")
    void a_strange_value_is_refused_by_name_or_gives_a_plan_that_computes(String name)
            throws IOException {
        ObjectNode config =
                (ObjectNode) TestMaterial.json(TestFiles.golden(name).resolve("config.json"));
        Path file = temp.resolve("config.json");
        int refused = 0;
        for (String text : marked(config)) {
            for (String value : VALUES) {
                Files.writeString(file, text.replace("\"" + MARK + "\"", value));
                try {
                    check(ModelPlans.read(file));
                } catch (EngineException e) {
                    assertThat(e).hasMessageContaining("config.json");
                    refused++;
                }
                Files.delete(file);
            }
        }
        assertThat(refused).isGreaterThan(10 * VALUES.size());
    }

    /// The configuration with each of its values, inner ones too, marked in turn.
    private static List<String> marked(ObjectNode config) {
        List<String> texts = new ArrayList<>();
        mark(config, config, texts);
        return texts;
    }

    private static void mark(ObjectNode root, JsonNode node, List<String> texts) {
        if (node instanceof ObjectNode object) {
            for (String field : Stream.of(object).flatMap(o -> names(o).stream()).toList()) {
                JsonNode value = object.get(field);
                object.put(field, MARK);
                texts.add(root.toString());
                object.set(field, value);
                mark(root, value, texts);
            }
        } else if (node instanceof ArrayNode list && !list.isEmpty()) {
            JsonNode value = list.get(0);
            list.set(0, TestMaterial.JSON.getNodeFactory().textNode(MARK));
            texts.add(root.toString());
            list.set(0, value);
        }
    }

    private static List<String> names(ObjectNode object) {
        List<String> names = new ArrayList<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }

    /// Nothing in an accepted plan can make a NaN out of numbers, or an index out of bounds.
    private static void check(ModelPlan plan) {
        List<PlannedTensor> tensors = PlannedTensor.of(plan);
        assertThat(tensors)
                .allMatch(t -> t.rows() > 0 && t.columns() > 0)
                .allMatch(t -> t.elements() <= 1L << 33);
        List<Rotary> rotaries = new ArrayList<>(plan.otherRotaries());
        rotaries.add(plan.rotary());
        for (Rotary rotary : rotaries) {
            List<Double> frequencies = new ArrayList<>(rotary.inverseFrequencies());
            frequencies.addAll(rotary.longInverseFrequencies());
            assertThat(frequencies).allMatch(f -> f > 0 && f < 1e10);
            assertThat((float) rotary.attentionFactor()).isFinite().isPositive();
        }
        assertThat(plan.finalNormEpsilon()).isFinite().isPositive();
        assertThat(plan.embeddingScale()).isFinite().isPositive();
        assertThat(plan.residualMultiplier()).isFinite();
        assertThat(plan.logitMultiplier()).isFinite();
        assertThat(plan.logitSoftCap()).isFinite();
        assertThat(plan.contextLength()).isPositive();
        assertThat(plan.layers())
                .isNotEmpty()
                .allMatch(layer -> Float.isFinite(layer.attention().scale()))
                .allMatch(layer -> layer.attention().scale() > 0)
                .allMatch(layer -> layer.attention().window() >= 0);
    }

    @ParameterizedTest
    @CsvSource({
        "llama, rms_norm_eps, 1e-50, rms_norm_eps",
        "llama, rms_norm_eps, 1e60, rms_norm_eps",
        "llama, rope_theta, 1e-300, rope_theta",
        "llama, rope_theta, 1e999, rope_theta",
        "llama, vocab_size, 1048577, vocab_size",
        "llama, head_dim, 8192, head_dim"
    })
    void a_number_that_32_bits_cannot_hold_is_named(
            String model, String field, String value, String named) throws IOException {
        assertRefused(with(model, field, value), named);
    }

    @ParameterizedTest
    @CsvSource({"factor, 1e300", "factor, 1e999", "attention_factor, 1e60", "beta_fast, 1e999"})
    void a_rotary_scaling_beyond_any_number_is_named(String field, String value)
            throws IOException {
        String scaling =
                "{\"rope_type\": \"yarn\", \"factor\": 4.0, \"original_max_position_embeddings\":"
                        + " 32, \"attention_factor\": 1.0, \"beta_fast\": 32}";
        ObjectNode inner = (ObjectNode) TestMaterial.JSON.readTree(scaling);
        String spoiled = inner.put(field, MARK).toString().replace("\"" + MARK + "\"", value);

        assertRefused(with("llama", "rope_scaling", spoiled), "rope_scaling");
    }

    @Test
    void a_product_beyond_any_computer_is_named() throws IOException {
        Path file = temp.resolve("config.json");
        Files.writeString(
                file,
                """
                {"model_type": "llama", "vocab_size": 1048576, "hidden_size": 1048576,
                 "intermediate_size": 1048576, "num_hidden_layers": 1024,
                 "num_attention_heads": 1024}
                """);

        assertRefused(file, "vocab_size");
    }

    @Test
    void an_absurd_list_of_factors_is_refused_by_its_length() throws IOException {
        String factors = "[" + "1.0,".repeat(1_000_000) + "1.0]";
        String scaling =
                "{\"type\": \"longrope\", \"short_factor\": %s, \"long_factor\": [1.0]}"
                        .formatted(factors);

        assertRefused(with("phi3-longrope", "rope_scaling", scaling), "short_factor");
    }

    private Path with(String model, String field, String value) throws IOException {
        ObjectNode config =
                (ObjectNode) TestMaterial.json(TestFiles.golden(model).resolve("config.json"));
        config.put(field, MARK);
        return Files.writeString(
                temp.resolve("config.json"), config.toString().replace("\"" + MARK + "\"", value));
    }

    private static void assertRefused(Path file, String field) {
        assertThatThrownBy(() -> ModelPlans.read(file))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE))
                .hasMessageContainingAll("config.json", field);
    }
}
