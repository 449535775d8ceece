package dev.tokenlog.engine.tokenizer;

import java.time.Instant;
import java.util.List;
import java.util.Map;

/// Turns a prompt into the ids that its model reads. The one place where this is decided: whoever
/// computes a generation again has to come to the same ids as the worker that made it.
///
/// @param tokenizer of the model
/// @param template of the same model
public record PromptEncoder(ModelTokenizer tokenizer, ChatTemplate template) {

    /// Raw text, with the special tokens that the tokenizer puts around it.
    public int[] text(String prompt) {
        return tokenizer.encode(prompt, true);
    }

    /// A conversation, rendered by the template up to where the answer begins.
    ///
    /// @param messages with `role` and `content`
    /// @param clock what the template sees as now
    /// @throws dev.tokenlog.engine.EngineException if the template refuses it
    public int[] messages(List<Map<String, Object>> messages, Instant clock) {
        return tokenizer.encode(
                template.render(messages, true, null, clock), template.needsSpecialTokens());
    }
}
