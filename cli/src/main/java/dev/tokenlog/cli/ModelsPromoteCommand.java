package dev.tokenlog.cli;

import dev.tokenlog.client.ModelEntry;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.RegistryCommand.PromoteRequested;
import java.util.function.Predicate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "promote", description = "Serve this version of the model.")
final class ModelsPromoteCommand extends RegistryChange {

    @Option(
            names = "--digest",
            paramLabel = "DIGEST",
            description = "Which version (default: the latest manifest's).")
    private String digest;

    @Option(names = "--force", description = "Even without a passing verdict.")
    private boolean force;

    @Override
    RegistryCommand command(ModelEntry entry, String requestedBy) {
        return new PromoteRequested(
                entry.modelId(), wanted(entry), force ? Boolean.TRUE : null, requestedBy);
    }

    @Override
    Predicate<ModelServing> done(ModelEntry before) {
        String wanted = wanted(before);
        return serving ->
                serving.state() == ModelServing.State.SERVING
                        && serving.current() != null
                        && serving.current().modelDigest().equals(wanted);
    }

    private String wanted(ModelEntry entry) {
        if (digest != null) {
            return digest;
        }
        return entry.manifest()
                .map(ModelManifest::modelDigest)
                .orElseThrow(() ->
                        CommandFailure.usage(
                                "%s has no manifest: name a version with --digest"
                                        .formatted(entry.modelId())));
    }
}
