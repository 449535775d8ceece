package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tokenizer.jinja.JinjaTemplate;
import dev.tokenlog.engine.tokenizer.jinja.TemplateException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/// A model's chat template: turns messages into the text that the model was trained on. Safe for
/// use by several threads at once.
public final class ChatTemplate {

    private static final String DEFAULT = "default";
    private static final String WITH_TOOLS = "tool_use";

    /// The folder of templates for other purposes, each called after the file.
    public static final String ADDITIONAL = "additional_chat_templates";

    private static final String JINJA = ".jinja";
    private static final int MAX_TEMPLATES = 64;
    private static final int MAX_CHARACTERS = 1 << 19;

    /// For models that bring no template: the roles as names, and the assistant's turn to speak.
    private static final String FALL_BACK =
            """
            {%- for message in messages %}
            {{ message.role | capitalize }}: {% if message.content is string %}
            {{- message.content | trim }}
            {%- else %}
            {%- for part in message.content if part.type == 'text' %}{{ part.text | trim }}{% endfor %}
            {%- endif %}

            {% endfor %}
            {%- if add_generation_prompt %}Assistant:{% endif %}
            """;

    private final Path file;
    private final boolean fallBack;
    private final Map<String, JinjaTemplate> templates;
    private final Map<String, String> specialTokens;

    private ChatTemplate(
            Path file,
            boolean fallBack,
            Map<String, JinjaTemplate> templates,
            Map<String, String> specialTokens) {
        this.file = file;
        this.fallBack = fallBack;
        this.templates = templates;
        this.specialTokens = specialTokens;
    }

    /// Finds the template of a model folder in `chat_template.jinja` (with named ones in
    /// `additional_chat_templates`), `chat_template.json` or `tokenizer_config.json`, in this
    /// order. Where there is none, the conversation is written as plain text, a line `Role:
    /// content` for each message and `Assistant:` at the end; [#warning] says so.
    ///
    /// @throws EngineException `TEMPLATE_REFUSED` if there is one that cannot be read
    public static ChatTemplate open(Path folder) {
        Map<String, String> specialTokens = SpecialTokens.byName(folder);
        Path jinja = folder.resolve("chat_template.jinja");
        Map<String, String> sources = new LinkedHashMap<>();
        if (InputFiles.isThere(jinja)) {
            sources.put(DEFAULT, text(jinja));
        }
        for (Path file : additional(folder)) {
            String name = file.getFileName().toString();
            sources.put(name.substring(0, name.length() - JINJA.length()), text(file));
        }
        if (!sources.isEmpty()) {
            return new ChatTemplate(jinja, false, parsed(jinja, sources), specialTokens);
        }
        for (String name : List.of("chat_template.json", SpecialTokens.TOKENIZER_CONFIG)) {
            Path json = folder.resolve(name);
            sources.putAll(
                    SpecialTokens.configuration(json)
                            .map(c -> sources(json, c.path("chat_template")))
                            .orElse(Map.of()));
            if (!sources.isEmpty()) {
                return new ChatTemplate(json, false, parsed(json, sources), specialTokens);
            }
        }
        return new ChatTemplate(
                folder, true, parsed(folder, Map.of(DEFAULT, FALL_BACK)), specialTokens);
    }

    private static String text(Path file) {
        String source = StrictJson.text(StrictJson.bytes(file), file.toString());
        if (source.indexOf(0) >= 0) {
            throw new EngineException(
                    Reason.TEMPLATE_REFUSED, file + ": has zero bytes; save it as UTF-8");
        }
        return source;
    }

    /// The templates for other purposes in a model folder, sorted.
    ///
    /// @throws EngineException if there are too many, or they cannot be listed
    public static List<Path> additional(Path modelFolder) {
        Path folder = modelFolder.resolve(ADDITIONAL);
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> templates =
                    files.filter(file -> file.toString().endsWith(JINJA)).sorted().toList();
            if (templates.size() > MAX_TEMPLATES) {
                throw new EngineException(
                        Reason.TEMPLATE_REFUSED,
                        folder + ": more than " + MAX_TEMPLATES + " templates");
            }
            return templates;
        } catch (IOException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, folder + ": cannot be read: " + e.getMessage(), e);
        }
    }

    /// What a user should know about a model without a template.
    public Optional<String> warning() {
        return fallBack
                ? Optional.of(
                        "%s has no chat template: messages are written as 'User: …' and 'Assistant:', which the model may not have been trained on"
                                .formatted(file.getFileName()))
                : Optional.empty();
    }

    /// Whether the rendered text still needs the tokens that the tokenizer adds by itself: a
    /// model's own template writes them, the plain text in place of one does not.
    public boolean needsSpecialTokens() {
        return fallBack;
    }

    /// One template, or a list of `{"name": …, "template": …}`.
    private static Map<String, String> sources(Path file, JsonNode value) {
        Map<String, String> sources = new LinkedHashMap<>();
        if (value.isTextual()) {
            sources.put(DEFAULT, value.textValue());
        } else if (value.isArray()) {
            for (JsonNode entry : value) {
                JsonNode name = entry.path("name");
                JsonNode template = entry.path("template");
                if (!name.isTextual() || !template.isTextual()) {
                    throw new EngineException(
                            Reason.TEMPLATE_REFUSED,
                            file + ": chat_template: an entry lacks its name or its template");
                }
                if (sources.put(name.textValue(), template.textValue()) != null) {
                    throw new EngineException(
                            Reason.TEMPLATE_REFUSED,
                            "%s: chat_template: '%s' stands there twice"
                                    .formatted(file, name.textValue()));
                }
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
            if (source.length() > MAX_CHARACTERS) {
                throw new EngineException(
                        Reason.TEMPLATE_REFUSED,
                        "%s: the template '%s' has %d characters; the limit is %d"
                                .formatted(file, name, source.length(), MAX_CHARACTERS));
            }
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
        return render(messages, addGenerationPrompt, tools, Map.of(), clock);
    }

    /// @param variables of the template beyond those above, such as `documents` or
    ///   `enable_thinking`; they win over the special tokens of the tokenizer
    /// @throws EngineException `TEMPLATE_REFUSED`
    public String render(
            List<Map<String, Object>> messages,
            boolean addGenerationPrompt,
            List<Map<String, Object>> tools,
            Map<String, Object> variables,
            Instant clock) {
        Map<String, Object> all = new HashMap<>(specialTokens);
        all.put("documents", null);
        all.putAll(variables);
        all.put("messages", messages);
        all.put("tools", tools);
        all.put("add_generation_prompt", addGenerationPrompt);
        boolean forTools = tools != null && templates.containsKey(WITH_TOOLS);
        JinjaTemplate template = templates.get(forTools ? WITH_TOOLS : DEFAULT);
        if (template == null) {
            throw new EngineException(
                    Reason.TEMPLATE_REFUSED,
                    file + ": has no template named '" + DEFAULT + "', only " + templates.keySet());
        }
        try {
            return template.render(all, clock);
        } catch (TemplateException e) {
            throw refused(file, e);
        }
    }
}
