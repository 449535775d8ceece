package dev.tokenlog.registry;

import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.RegistryCommand;

/// Something that the registry takes note of: what is left of the records of three topics once they
/// have been read and found sound.
sealed interface Fact {

    String modelId();

    record Published(ModelManifest manifest) implements Fact {
        @Override
        public String modelId() {
            return manifest.modelId();
        }
    }

    /// The manifest's tombstone.
    record Removed(String modelId) implements Fact {}

    record Judged(ValidationFinished verdict) implements Fact {
        @Override
        public String modelId() {
            return verdict.modelId();
        }
    }

    record Commanded(RegistryCommand command) implements Fact {
        @Override
        public String modelId() {
            return command.modelId();
        }
    }
}
