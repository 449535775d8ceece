package dev.tokenlog.conversion;

import dev.tokenlog.artifactstore.provenance.SigningKey;
import jakarta.enterprise.context.Dependent;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Supplier;
import org.eclipse.microprofile.config.inject.ConfigProperty;

/// The key that artifacts are signed with: `tokenlog.signing.key`, else the one that lies in the
/// data folder, if any. Looked for anew each time, so that a key made while this runs counts.
@Dependent
final class SigningKeys implements Supplier<Optional<SigningKey>> {

    private final Optional<Path> named;
    private final Optional<Path> data;

    SigningKeys(
            @ConfigProperty(name = "tokenlog.signing.key") Optional<Path> named,
            @ConfigProperty(name = "tokenlog.data") Optional<Path> data) {
        this.named = named;
        this.data = data;
    }

    @Override
    public Optional<SigningKey> get() {
        return named.or(() -> data.map(SigningKey::defaultFile).filter(Files::exists))
                .map(SigningKey::read);
    }
}
