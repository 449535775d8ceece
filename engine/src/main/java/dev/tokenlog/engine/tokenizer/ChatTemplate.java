package dev.tokenlog.engine.tokenizer;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;

/// A model's chat template: turns messages into the text that the model was trained on. Safe for
/// use by several threads at once.
public final class ChatTemplate {

    private ChatTemplate() {}

    /// Finds the template of a model folder in `chat_template.jinja`, `chat_template.json` or
    /// `tokenizer_config.json`.
    ///
    /// @throws dev.tokenlog.engine.EngineException `TEMPLATE_REFUSED` if there is none or it cannot
    ///   be read
    public static ChatTemplate open(Path folder) {
        throw new UnsupportedOperationException(folder.toString());
    }

    /// @param messages maps with `role` and `content`, and whatever else the template reads
    /// @param addGenerationPrompt whether the text ends where the assistant's answer begins
    /// @param tools the tools' JSON schemas, or null
    /// @param clock what the template sees as now, in UTC
    /// @throws dev.tokenlog.engine.EngineException `TEMPLATE_REFUSED`: the template raised an
    ///   exception, failed, or went over its limits
    public String render(
            List<Map<String, Object>> messages,
            boolean addGenerationPrompt,
            List<Map<String, Object>> tools,
            Instant clock) {
        throw new UnsupportedOperationException();
    }
}
