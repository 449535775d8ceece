package dev.tokenlog.cli;

import dev.tokenlog.client.ModelEntry;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.RegistryCommand.RollbackRequested;
import java.util.Optional;
import java.util.function.Predicate;
import picocli.CommandLine.Command;

@Command(name = "rollback", description = "Serve the version that was served before this one.")
final class ModelsRollbackCommand extends RegistryChange {

    @Override
    RegistryCommand command(ModelEntry entry, String requestedBy) {
        return new RollbackRequested(entry.modelId(), requestedBy);
    }

    @Override
    Predicate<ModelServing> done(ModelEntry before) {
        Optional<String> old =
                before.serving().map(ModelServing::current).map(ModelServing.Version::modelDigest);
        return serving ->
                serving.current() != null
                        && old.map(digest -> !digest.equals(serving.current().modelDigest()))
                                .orElse(true);
    }
}
