package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Templates and conversations of others through `tokenlog render`.
class RenderVectorsTest {

    private static final Path ROOT = Path.of(System.getProperty("tokenlog.root"));

    @TempDir Path folder;

    /// Cases of huggingface.js, all but one: there JavaScript prints a list as JSON and Python, as
    /// in training, as Python (`PublishedTemplatesTest`).
    @Test
    void publishedTemplates() throws IOException {
        Path vectors =
                ROOT.resolveSibling("shared")
                        .resolve("data/chat-templates/huggingface.js-e2e-vectors-part.json");
        assumeTrue(Files.exists(vectors), () -> "skipped: " + vectors + " is not there");
        JsonNode file = Json.read(Files.readString(vectors), vectors.toString());
        int rendered = 0;
        for (JsonNode c : file.path("cases")) {
            if (c.path("python_jinja2_matches").booleanValue()) {
                ObjectNode request = c.path("data").deepCopy();
                request.set("clock", file.path("frozen_time_utc"));
                assertThat(render(c.path("chat_template").textValue(), request).textValue())
                        .as(c.path("name").textValue())
                        .isEqualTo(c.path("target").textValue());
                rendered++;
            }
        }
        assertThat(rendered).isEqualTo(26);
    }

    @Test
    void whatATemplateRefusesIsAnAnswer() throws IOException {
        ObjectNode request = Json.object();
        request.putArray("messages").addObject().put("role", "system").put("content", "x");
        assertThat(render("\n\n{{ raise_exception('no system role') }}", request).toString())
                .isEqualTo("{\"error\":\"chat_template.jinja, template line 3: no system role\"}");
    }

    @Test
    void aModelWithoutATemplateIsWarnedOf() throws IOException {
        CommandRun run = run(request("hi"), folder);
        assertThat(run.out()).isEqualTo("\"User: hi\\n\"\n");
        assertThat(run.err()).contains("has no chat template");
    }

    private static ObjectNode request(String content) {
        ObjectNode request = Json.object();
        request.putArray("messages").addObject().put("role", "user").put("content", content);
        return request;
    }

    private JsonNode render(String template, JsonNode request) throws IOException {
        Files.writeString(folder.resolve("chat_template.jinja"), template);
        CommandRun run = run(request, folder);
        assertThat(run.status()).as(run.toString()).isZero();
        assertThat(run.err()).isEmpty();
        return Json.read(run.out(), "answer");
    }

    private static CommandRun run(JsonNode request, Path folder) {
        InputStream before = System.in;
        byte[] line = (Json.text(request) + "\n").getBytes(StandardCharsets.UTF_8);
        System.setIn(new ByteArrayInputStream(line));
        try {
            return CommandRun.of("render", folder.toString());
        } finally {
            System.setIn(before);
        }
    }
}
