package dev.tokenlog.engine.tokenizer.jinja;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.io.InputStream;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/// Templates with the constructs of the model families, rendered by transformers
/// (`family-cases.py`): the same text, or refused by both, with the template's own message.
class FamilyTemplatesTest {

    @TestFactory
    Stream<DynamicTest> renderAsTransformersDoes() throws IOException {
        try (InputStream in = getClass().getResourceAsStream("/jinja/family-cases.json")) {
            JsonNode file = TestMaterial.JSON.readTree(in);
            assertThat(file.path("cases")).hasSizeGreaterThan(300);
            Map<String, JinjaTemplate> templates = new HashMap<>();
            file.path("templates")
                    .properties()
                    .forEach(e ->
                            templates.put(
                                    e.getKey(), JinjaTemplate.parse(e.getValue().textValue())));
            return StreamSupport.stream(file.path("cases").spliterator(), false)
                    .map(c -> {
                        String name = c.path("template").textValue();
                        int number = c.path("conversation").intValue();
                        return DynamicTest.dynamicTest(
                                name + " " + number,
                                () -> check(file, templates.get(name), number, c));
                    });
        }
    }

    private static void check(JsonNode file, JinjaTemplate template, int number, JsonNode c) {
        Map<String, Object> variables = new HashMap<>();
        variables.put("tools", null);
        variables.put("documents", null);
        variables.put("add_generation_prompt", false);
        for (JsonNode more :
                new JsonNode[] {file.path("special"), file.path("conversations").get(number)}) {
            variables.putAll(
                    TestMaterial.JSON.convertValue(
                            more, new TypeReference<Map<String, Object>>() {}));
        }
        Instant clock = Instant.parse(file.path("clock").textValue());
        if (c.has("text")) {
            assertThat(template.render(variables, clock)).isEqualTo(c.path("text").textValue());
            return;
        }
        assertThatExceptionOfType(TemplateException.class)
                .isThrownBy(() -> template.render(variables, clock))
                .satisfies(e -> {
                    String message = c.path("fails").textValue();
                    if (file.path("templates").toString().contains("('" + message)) {
                        assertThat(e).hasMessage(message);
                    }
                    assertThat(e.line()).isPositive();
                });
    }
}
