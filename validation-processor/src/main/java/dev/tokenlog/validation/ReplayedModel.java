package dev.tokenlog.validation;

import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.PromptEncoder;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.nio.file.Path;
import java.time.Instant;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// An artifact that is open, with its tokenizer and an executor per type of KV cache.
final class ReplayedModel implements AutoCloseable {

    private final Artifact artifact;
    private final ModelTokenizer tokenizer;
    private final ChatTemplate template;
    private final CpuOptions options;
    private final Map<KvType, CpuExecutor> executors = new EnumMap<>(KvType.class);

    private ReplayedModel(
            Artifact artifact,
            ModelTokenizer tokenizer,
            ChatTemplate template,
            CpuOptions options) {
        this.artifact = artifact;
        this.tokenizer = tokenizer;
        this.template = template;
        this.options = options;
    }

    /// @throws EngineException `MODEL_UNREADABLE` if it has another digest
    static ReplayedModel open(Path folder, String digest, CpuOptions options) {
        Artifact artifact = Artifact.open(folder, true);
        try {
            String found = artifact.digest().orElse("none");
            if (!found.equals(digest)) {
                throw new EngineException(
                        Reason.MODEL_UNREADABLE,
                        folder + ": digest " + found + ", expected " + digest);
            }
            // The template first: a tokenizer would have to be closed if it were refused.
            ChatTemplate template = ChatTemplate.open(folder);
            return new ReplayedModel(artifact, ModelTokenizer.open(folder), template, options);
        } catch (RuntimeException | Error e) {
            artifact.close();
            throw e;
        }
    }

    /// An executor whose numerics id has this type of cache.
    CpuExecutor executor(KvType kv) {
        return executors.computeIfAbsent(
                kv,
                type ->
                        CpuExecutor.open(
                                artifact,
                                new CpuOptions(
                                        options.compute(),
                                        options.threads(),
                                        Optional.of(type),
                                        options.maxTokens())));
    }

    ModelPlan plan() {
        return artifact.plan();
    }

    ModelTokenizer tokenizer() {
        return tokenizer;
    }

    /// The prompt's ids, rendered at the time at which it was appended, as a worker does.
    int[] encode(PromptSubmitted prompt, Instant clock) {
        PromptEncoder encoder = new PromptEncoder(tokenizer, template);
        if (prompt.prompt() != null) {
            return encoder.text(prompt.prompt());
        }
        List<Map<String, Object>> messages =
                prompt.messages().stream()
                        .map(m -> Map.<String, Object>of("role", m.role(), "content", m.content()))
                        .toList();
        return encoder.messages(messages, clock);
    }

    @Override
    public void close() {
        executors.values().forEach(CpuExecutor::close);
        tokenizer.close();
        artifact.close();
    }
}
