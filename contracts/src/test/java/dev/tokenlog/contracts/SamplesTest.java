package dev.tokenlog.contracts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/// Samples per type and version, frozen: what was written once can be read for ever. A sample is
/// never edited; a new type gets one, and a type that gains fields gets a further one that shows
/// them all (`Type.v1.json`, then `Type.v1.2.json`, `Type.v1.3.json`, …).
class SamplesTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    @TestFactory
    Stream<DynamicTest> everySampleIsReadAndWrittenUnchanged() {
        List<DynamicTest> tests = new ArrayList<>();
        EventSchemas.types()
                .forEach((topic, types) ->
                        types.forEach(type ->
                                tests.add(
                                        dynamicTest(
                                                type.getSimpleName(), () -> check(topic, type)))));
        return tests.stream();
    }

    private static void check(Topic topic, Class<? extends Event> type) throws Exception {
        JsonSchema schema = schema(type);
        JsonNode latest = null;
        for (byte[] sample : samples(type)) {
            latest = JSON.readTree(sample);
            Event event = EventJson.read(sample, topic.payload().orElseThrow());
            JsonNode written = JSON.readTree(EventJson.write(event));

            assertThat(event).isInstanceOf(type);
            assertThat(written).as("written again: no field lost, none added").isEqualTo(latest);
            assertThat(schema.validate(latest)).as("against the schema").isEmpty();
        }
        assertThat(names(latest))
                .as("the last sample shows every field, save the other text of a prompt")
                .containsAll(names(schema.getSchemaNode().get("properties"), "prompt"));
    }

    @Test
    void theSchemasRefuseWhatTheReaderRefuses() throws IOException {
        JsonSchema prompt = schema(PromptEvent.PromptSubmitted.class);
        for (String bad :
                List.of(
                        "{\"model_id\":\"m\"}",
                        "{\"prompt\":\"p\"}",
                        "{\"model_id\":7,\"prompt\":\"p\"}",
                        "{\"model_id\":\"m\",\"messages\":[]}",
                        "{\"model_id\":\"m\",\"prompt\":\"p\",\"seed\":18446744073709551616}",
                        "{\"model_id\":\"m\",\"prompt\":\"p\",\"max_tokens\":\"7\"}",
                        "{\"model_id\":\"m\",\"messages\":[{\"role\":\"user\"}]}",
                        "{\"type\":\"Other\",\"model_id\":\"m\",\"prompt\":\"p\"}")) {
            assertThat(prompt.validate(JSON.readTree(bad))).as(bad).isNotEmpty();
        }
        assertThat(prompt.validate(JSON.readTree("{\"model_id\":\"m\",\"prompt\":\"p\",\"x\":1}")))
                .isEmpty();
    }

    /// The oldest first; one at least.
    private static List<byte[]> samples(Class<? extends Event> type) throws IOException {
        String name = "sample/%s.v%d".formatted(type.getSimpleName(), EventJson.SCHEMA_VERSION);
        List<byte[]> samples = new ArrayList<>();
        samples.add(bytes(name + ".json"));
        for (int i = 2; Event.class.getResource(name + "." + i + ".json") != null; i++) {
            samples.add(bytes(name + "." + i + ".json"));
        }
        return samples;
    }

    private static JsonSchema schema(Class<? extends Event> type) throws IOException {
        return JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
                .getSchema(JSON.readTree(bytes("schema/" + EventSchemas.fileName(type))));
    }

    private static byte[] bytes(String name) throws IOException {
        try (InputStream in = Event.class.getResourceAsStream(name)) {
            return Objects.requireNonNull(in, name + " is missing").readAllBytes();
        }
    }

    private static Set<String> names(JsonNode object, String... except) {
        Set<String> names = new TreeSet<>();
        for (Iterator<String> fields = object.fieldNames(); fields.hasNext(); ) {
            names.add(fields.next());
        }
        names.removeAll(Set.of(except));
        return names;
    }
}
