package dev.tokenlog.inference.kafka;

import dev.tokenlog.artifactstore.object.ArtifactFinder;
import dev.tokenlog.artifactstore.object.RemoteArtifacts;
import dev.tokenlog.artifactstore.provenance.TrustedKey;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.generation.StepLoopOptions;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.KvBudget;
import dev.tokenlog.inference.model.ArtifactLoader;
import dev.tokenlog.inference.model.ModelLoader;
import io.quarkus.arc.DefaultBean;
import io.smallrye.common.annotation.Identifier;
import io.smallrye.reactive.messaging.kafka.commit.KafkaCommitHandler;
import jakarta.enterprise.context.ApplicationScoped;
import jakarta.enterprise.inject.Produces;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import org.eclipse.microprofile.config.inject.ConfigProperty;

/// What is put together by configuration.
final class InferenceBeans {

    private static final int STEP_TOKENS = 64;
    private static final int PREFILL_CHUNK = 48;

    /// The strategy of the channel of prompts.
    @Produces
    @ApplicationScoped
    @Identifier("inference")
    KafkaCommitHandler.Factory commits(InferenceWorker worker) {
        return new PromptCommits.Factory(worker::commitsBy);
    }

    /// Models from the artifact store, on the kernels that this machine can use.
    @Produces
    @ApplicationScoped
    @DefaultBean
    ModelLoader models(
            InferenceConfiguration configuration,
            ObjectStoreConfig objects,
            @ConfigProperty(name = "tokenlog.artifacts") Optional<Path> artifacts,
            @ConfigProperty(name = "tokenlog.data", defaultValue = "data") Path data,
            @ConfigProperty(name = KernelSelection.KEY, defaultValue = KernelSelection.AUTOMATIC)
                    String compute,
            @ConfigProperty(name = KvType.KEY, defaultValue = "kv16") String kv,
            @ConfigProperty(name = KvBudget.KEY) Optional<String> kvBudget) {
        int sequences = configuration.limits().sequences();
        CpuOptions options = options(compute, configuration.threads()).withKv(KvType.of(kv));
        if (kvBudget.isPresent()) {
            options = options.withKvBudget(KvBudget.bytes(kvBudget.get()));
        }
        return new ArtifactLoader(
                new ArtifactFinder(
                        new ArtifactStore(artifacts.orElse(data.resolve("artifacts"))),
                        objects.open().map(RemoteArtifacts::open)),
                KernelSelection.select(compute),
                options,
                new StepLoopOptions(
                        sequences,
                        Math.max(STEP_TOKENS, sequences),
                        PREFILL_CHUNK,
                        configuration.limits().drafts()),
                configuration.models().trustedKeys().map(TrustedKey::read));
    }

    /// @param threads missing: all processors
    static CpuOptions options(String compute, OptionalInt threads) {
        CpuOptions options = CpuOptions.automatic().withCompute(compute);
        try {
            return threads.isPresent() ? options.withThreads(threads.getAsInt()) : options;
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "tokenlog.inference.threads=" + threads.getAsInt() + ": " + e.getMessage(), e);
        }
    }
}
