package dev.tokenlog.inference.model;

import dev.tokenlog.artifactstore.object.ArtifactFinder;
import dev.tokenlog.artifactstore.provenance.ProvenanceFile;
import dev.tokenlog.artifactstore.provenance.TrustedKey;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.compute.Numerics;
import dev.tokenlog.engine.generation.StepLoop;
import dev.tokenlog.engine.generation.StepLoopOptions;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.PromptEncoder;
import dev.tokenlog.engine.tokenizer.StreamingDetokenizer;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jboss.logging.Logger;

/// Loads artifacts from the store and runs them on the CPU.
public final class ArtifactLoader implements ModelLoader {

    private static final Logger LOG = Logger.getLogger(ArtifactLoader.class);

    private final ArtifactFinder artifacts;
    private final KernelSelection kernels;
    private final CpuOptions options;
    private final StepLoopOptions loop;
    private final Optional<List<TrustedKey>> trusted;

    /// @param trusted a model that none of these keys has signed is refused; empty: signatures are
    ///   not asked for
    public ArtifactLoader(
            ArtifactFinder artifacts,
            KernelSelection kernels,
            CpuOptions options,
            StepLoopOptions loop,
            Optional<List<TrustedKey>> trusted) {
        this.artifacts = artifacts;
        this.kernels = kernels;
        this.options = options;
        this.loop = loop;
        this.trusted = trusted;
    }

    @Override
    public String numericsId() {
        return Numerics.quantized(options.kv().orElse(KvType.KV16));
    }

    @Override
    public String compute() {
        return kernels.explanation();
    }

    @Override
    public int threads() {
        return options.threads();
    }

    /// Its weights, as they are stored: packed for the kernels they take as much, and the stored
    /// form then leaves memory.
    @Override
    public long bytes(String digest, String location) {
        return artifacts.weightBytes(digest, location);
    }

    @Override
    public LoadedModel load(String digest, String location) {
        Path folder = artifacts.folder(digest, location);
        Artifact artifact = Artifact.open(folder, true);
        try {
            if (!artifact.digest().equals(Optional.of(digest))) {
                throw new EngineException(
                        Reason.MODEL_UNREADABLE,
                        folder + " holds " + artifact.digest().orElse("?") + ", not " + digest);
            }
            trusted.ifPresent(keys -> ProvenanceFile.require(artifact, keys));
            return CpuModel.open(artifact, kernels, options, loop, numericsId());
        } catch (RuntimeException | Error e) {
            artifact.close();
            throw e;
        }
    }

    /// An artifact with everything that runs it.
    private record CpuModel(
            Artifact artifact,
            ModelTokenizer tokenizer,
            ChatTemplate template,
            CpuExecutor executor,
            StepLoop engine)
            implements LoadedModel {

        static CpuModel open(
                Artifact artifact,
                KernelSelection kernels,
                CpuOptions options,
                StepLoopOptions loop,
                String numericsId) {
            // What can be refused first, before there are threads that a failure would leave
            // behind.
            ChatTemplate template = ChatTemplate.open(artifact.folder());
            template.warning().ifPresent(LOG::warn);
            ModelTokenizer tokenizer = ModelTokenizer.open(artifact.folder());
            try {
                CpuExecutor executor = executor(artifact, kernels, options, numericsId);
                return new CpuModel(
                        artifact, tokenizer, template, executor, loop(executor, tokenizer, loop));
            } catch (RuntimeException | Error e) {
                tokenizer.close();
                throw e;
            }
        }

        private static StepLoop loop(
                CpuExecutor executor, ModelTokenizer tokenizer, StepLoopOptions options) {
            try {
                return StepLoop.start(executor, tokenizer, options);
            } catch (RuntimeException | Error e) {
                executor.close();
                throw e;
            }
        }

        private static CpuExecutor executor(
                Artifact artifact, KernelSelection kernels, CpuOptions options, String numericsId) {
            CpuExecutor executor = CpuExecutor.open(artifact, options, kernels);
            if (!executor.numericsId().equals(numericsId)) {
                executor.close();
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        artifact.folder()
                                + " runs under "
                                + executor.numericsId()
                                + ", this worker has promised "
                                + numericsId);
            }
            return executor;
        }

        @Override
        public int contextLength() {
            return artifact.plan().contextLength();
        }

        @Override
        public int[] encode(PromptSubmitted prompt, Instant clock) {
            PromptEncoder encoder = new PromptEncoder(tokenizer, template);
            if (prompt.prompt() != null) {
                return encoder.text(prompt.prompt());
            }
            List<Map<String, Object>> messages =
                    prompt.messages().stream()
                            .map(m ->
                                    Map.<String, Object>of(
                                            "role", m.role(), "content", m.content()))
                            .toList();
            return encoder.messages(messages, clock);
        }

        @Override
        public TextStream text() {
            StreamingDetokenizer detokenizer = tokenizer.detokenizer();
            return detokenizer::append;
        }

        @Override
        public void close() {
            engine.close();
            executor.close();
            tokenizer.close();
            artifact.close();
        }
    }
}
