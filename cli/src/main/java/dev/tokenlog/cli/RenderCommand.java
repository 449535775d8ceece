package dev.tokenlog.cli;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import java.io.BufferedReader;
import java.io.IOException;
import java.time.Instant;
import java.time.format.DateTimeParseException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "render",
        description =
                "Reads {\"messages\": [...], \"add_generation_prompt\": true, \"tools\": ...} a line, further"
                        + " fields are variables of the template, and \"clock\" is its now; writes the rendered prompt as a JSON string, or {\"error\": ...}. Without a broker.")
final class RenderCommand implements Callable<Integer> {

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final TypeReference<List<Map<String, Object>>> MAPS = new TypeReference<>() {};

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private HubOptions hub;

    @Parameters(paramLabel = "MODEL", description = HubOptions.MODEL)
    private String model;

    @Override
    public Integer call() throws IOException {
        String local = hub.local(model, Hub.Part.TOKENIZER, common);
        try (ModelFolders.ModelFiles files = ModelFolders.files(local);
                BufferedReader lines = common.input()) {
            ChatTemplate template = ChatTemplate.open(files.folder());
            template.warning().ifPresent(common.terminal()::err);
            int number = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                number++;
                if (!line.isBlank()) {
                    JsonNode request = Json.read(line, "line " + number);
                    common.terminal().line(Json.text(render(template, request, number)));
                }
            }
        }
        return ExitStatus.DONE;
    }

    private static JsonNode render(ChatTemplate template, JsonNode request, int number) {
        if (!request.path("messages").isArray()) {
            throw CommandFailure.usage("line %d has no list messages".formatted(number));
        }
        try {
            return Json.of(
                    template.render(
                            MAPPER.convertValue(request.get("messages"), MAPS),
                            request.path("add_generation_prompt").asBoolean(false),
                            request.hasNonNull("tools")
                                    ? MAPPER.convertValue(request.get("tools"), MAPS)
                                    : null,
                            variables(request),
                            clock(request, number)));
        } catch (EngineException e) {
            return Json.object().put("error", e.getMessage());
        } catch (IllegalArgumentException e) {
            throw new CommandFailure(
                    ExitStatus.USAGE,
                    "line %d: messages and tools are lists of objects".formatted(number),
                    e);
        }
    }

    /// What the template gets beyond the conversation: every other field, `documents` and
    /// `enable_thinking` for instance.
    private static Map<String, Object> variables(JsonNode request) {
        ObjectNode others = request.deepCopy();
        others.remove(List.of("messages", "add_generation_prompt", "tools", "clock"));
        return MAPPER.convertValue(others, new TypeReference<>() {});
    }

    /// `clock`, where given, is what the template sees as now.
    private static Instant clock(JsonNode request, int number) {
        if (!request.hasNonNull("clock")) {
            return Instant.now();
        }
        try {
            return Instant.parse(request.get("clock").asText());
        } catch (DateTimeParseException e) {
            throw new CommandFailure(
                    ExitStatus.USAGE,
                    "line %d: clock is not a time like 2026-01-31T12:00:00Z".formatted(number),
                    e);
        }
    }
}
