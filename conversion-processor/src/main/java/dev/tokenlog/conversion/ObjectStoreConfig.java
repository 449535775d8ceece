package dev.tokenlog.conversion;

import dev.tokenlog.artifactstore.object.ObjectStoreSettings;
import io.smallrye.config.ConfigMapping;
import java.net.URI;
import java.util.Optional;

/// `tokenlog.object-store.*`: where artifacts are kept for several machines. Credentials come from
/// the standard chain of the S3 client, never from here.
@ConfigMapping(prefix = "tokenlog.object-store")
public interface ObjectStoreConfig {

    /// `s3://BUCKET/PREFIX`, or a folder; missing: artifacts are only where they are made.
    Optional<String> url();

    /// Of a store other than Amazon's.
    Optional<URI> endpoint();

    /// Missing: from the standard chain.
    Optional<String> region();

    default Optional<ObjectStoreSettings> open() {
        return url().map(url -> new ObjectStoreSettings(url, endpoint(), region()));
    }
}
