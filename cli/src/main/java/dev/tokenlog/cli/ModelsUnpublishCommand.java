package dev.tokenlog.cli;

import dev.tokenlog.client.ModelEntry;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand;
import dev.tokenlog.contracts.RegistryCommand.UnpublishRequested;
import java.util.function.Predicate;
import picocli.CommandLine.Command;

@Command(name = "unpublish", description = "Serve the model no more; nothing is said about it.")
final class ModelsUnpublishCommand extends RegistryChange {

    @Override
    RegistryCommand command(ModelEntry entry, String requestedBy) {
        return new UnpublishRequested(entry.modelId(), requestedBy);
    }

    @Override
    Predicate<ModelServing> done(ModelEntry before) {
        // What is revoked stays so and is not served either.
        return serving ->
                serving.state() == ModelServing.State.UNPUBLISHED
                        || serving.state() == ModelServing.State.REVOKED;
    }
}
