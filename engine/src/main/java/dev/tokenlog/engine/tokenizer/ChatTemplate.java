package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tokenizer.jinja.JinjaTemplate;
import dev.tokenlog.engine.tokenizer.jinja.TemplateException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A model's chat template: turns messages into the text that the model was trained on. Safe for
/// use by several threads at once.
public final class ChatTemplate {

    private static final int MAX_CHARACTERS = 1 << 20;
    private static final String DEFAULT = "default";
    private static final String WITH_TOOLS = "tool_use";

    private final Path file;
    private final Map<String, JinjaTemplate> templates;
    private final Map<String, String> specialTokens;

    private ChatTemplate(
            Path file, Map<String, JinjaTemplate> templates, Map<String, String> specialTokens) {
        this.file = file;
        this.templates = templates;
        this.specialTokens = specialTokens;
    }

    /// Finds the template of a model folder in `chat_template.jinja`, `chat_template.json` or
    /// `tokenizer_config.json`, in this order.
    ///
    /// @throws EngineException `TEMPLATE_REFUSED` if there is none or it cannot be read
    public static ChatTemplate open(Path folder) {
        Map<String, String> specialTokens = SpecialTokens.byName(folder);
        Path jinja = folder.resolve("chat_template.jinja");
        if (Files.exists(jinja)) {
            String source = StrictJson.decode(StrictJson.bytes(jinja), jinja.toString());
            Map<String, String> sources = Map.of(DEFAULT, source);
            return new ChatTemplate(jinja, parsed(jinja, sources), specialTokens);
        }
        for (String name : List.of("chat_template.json", SpecialTokens.TOKENIZER_CONFIG)) {
            Path json = folder.resolve(name);
            Map<String, String> sources =
                    SpecialTokens.configuration(json)
                            .map(c -> sources(json, c.path("chat_template")))
                            .orElse(Map.of());
            if (!sources.isEmpty()) {
                return new ChatTemplate(json, parsed(json, sources), specialTokens);
            }
        }
        throw new EngineException(
                Reason.TEMPLATE_REFUSED,
                folder + ": the model has no chat template; send a prompt instead of messages");
    }

    /// One template, or a list of `{"name": …, "template": …}`.
    private static Map<String, String> sources(Path file, JsonNode value) {
        Map<String, String> sources = new LinkedHashMap<>();
        if (value.isTextual()) {
            sources.put(DEFAULT, value.textValue());
        } else if (value.isArray()) {
            for (JsonNode entry : value) {
                sources.put(entry.path("name").asText(), entry.path("template").asText());
            }
        } else if (!value.isMissingNode() && !value.isNull()) {
            throw new EngineException(
                    Reason.TEMPLATE_REFUSED, file + ": chat_template is neither a text nor a list");
        }
        return sources;
    }

    private static Map<String, JinjaTemplate> parsed(Path file, Map<String, String> sources) {
        Map<String, JinjaTemplate> templates = new HashMap<>();
        sources.forEach((name, source) -> {
            try {
                templates.put(name, JinjaTemplate.parse(source));
            } catch (TemplateException e) {
                throw refused(file, e);
            }
        });
        return templates;
    }

    private static EngineException refused(Path file, TemplateException e) {
        return new EngineException(
                Reason.TEMPLATE_REFUSED,
                file.getFileName() + ", template line " + e.line() + ": " + e.getMessage(),
                e);
    }

    /// @param messages maps with `role` and `content`, and whatever else the template reads
    /// @param addGenerationPrompt whether the text ends where the assistant's answer begins
    /// @param tools the tools' JSON schemas, or null
    /// @param clock what the template sees as now, in UTC
    /// @throws EngineException `TEMPLATE_REFUSED`: the template raised an exception, failed, or
    ///   went over its limits
    public String render(
            List<Map<String, Object>> messages,
            boolean addGenerationPrompt,
            List<Map<String, Object>> tools,
            Instant clock) {
        Map<String, Object> variables = new HashMap<>(specialTokens);
        variables.put("messages", messages);
        variables.put("tools", tools);
        variables.put("documents", null);
        variables.put("add_generation_prompt", addGenerationPrompt);
        boolean forTools = tools != null && templates.containsKey(WITH_TOOLS);
        JinjaTemplate template = templates.get(forTools ? WITH_TOOLS : DEFAULT);
        if (template == null) {
            throw new EngineException(
                    Reason.TEMPLATE_REFUSED,
                    file + ": has no template named '" + DEFAULT + "', only " + templates.keySet());
        }
        try {
            return template.render(variables, clock);
        } catch (TemplateException e) {
            throw refused(file, e);
        }
    }
}
