package dev.tokenlog.cli;

import dev.tokenlog.client.ModelEntry;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.RegistryCommand.Drain;
import dev.tokenlog.contracts.RegistryCommand.RevokeRequested;
import java.util.function.Predicate;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(name = "revoke", description = "This version must not be served any more.")
final class ModelsRevokeCommand extends RegistryChange {

    @Option(
            names = "--digest",
            paramLabel = "DIGEST",
            description = "Which version (default: the one that is served).")
    private String digest;

    @Option(names = "--reason", paramLabel = "TEXT", description = "Why, for the audit.")
    private String reason;

    @Option(
            names = "--drain",
            defaultValue = "finish",
            paramLabel = "finish|stop",
            description =
                    "What becomes of generations that run on it: they go on to their end (the"
                            + " default), or end at their next step.")
    private Drain drain;

    @Override
    RegistryCommand command(ModelEntry entry, String requestedBy) {
        return new RevokeRequested(entry.modelId(), wanted(entry), reason, requestedBy, drain);
    }

    @Override
    Predicate<ModelServing> done(ModelEntry before) {
        String wanted = wanted(before);
        return serving ->
                serving.versions().stream()
                        .anyMatch(version ->
                                version.modelDigest().equals(wanted)
                                        && version.state() == ModelServing.State.REVOKED
                                        && (version.drain() == drain || drain == Drain.FINISH));
    }

    private String wanted(ModelEntry entry) {
        if (digest != null) {
            return digest;
        }
        return entry.serving()
                .map(ModelServing::current)
                .map(ModelServing.Version::modelDigest)
                .or(() -> entry.manifest().map(ModelManifest::modelDigest))
                .orElseThrow(() ->
                        CommandFailure.usage(
                                "no version of %s is served: name one with --digest"
                                        .formatted(entry.modelId())));
    }
}
