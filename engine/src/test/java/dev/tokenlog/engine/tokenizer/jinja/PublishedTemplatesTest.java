package dev.tokenlog.engine.tokenizer.jinja;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.time.Instant;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/// The end-to-end cases of huggingface.js: templates of published models, with the texts that they
/// give.
class PublishedTemplatesTest {

    @TestFactory
    Stream<DynamicTest> rendersAsPublished() throws IOException {
        JsonNode file =
                TestMaterial.json(
                        TestFiles.shared("chat-templates/huggingface.js-e2e-vectors-part.json"));
        Instant frozen = Instant.parse(file.path("frozen_time_utc").textValue());
        assertThat(file.path("cases")).hasSize(27);
        return StreamSupport.stream(file.path("cases").spliterator(), false)
                .map(c ->
                        DynamicTest.dynamicTest(
                                c.path("name").textValue(), () -> check(c, frozen)));
    }

    private static void check(JsonNode c, Instant frozen) {
        Map<String, Object> data =
                TestMaterial.JSON.convertValue(c.path("data"), new TypeReference<>() {});
        String text = JinjaTemplate.parse(c.path("chat_template").textValue()).render(data, frozen);
        String expected = c.path("target").textValue();
        if (!c.path("python_jinja2_matches").booleanValue()) {
            // JavaScript prints a list as JSON. Python, whose semantics models are trained with,
            // prints it as Python: here the same but for the quotes.
            String list = c.path("data").path("tools").toString();
            expected = expected.replace(spaced(list), pythonic(spaced(list)));
        }
        assertThat(text).isEqualTo(expected);
    }

    private static String spaced(String json) {
        return json.replace("\":", "\": ").replace(",\"", ", \"").replace("},{", "}, {");
    }

    private static String pythonic(String json) {
        return json.replace("\\\"", "\u0001").replace('"', '\'').replace('\u0001', '"');
    }
}
