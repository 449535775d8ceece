package dev.tokenlog.cli;

import dev.tokenlog.artifactstore.object.ObjectStoreSettings;
import dev.tokenlog.artifactstore.object.RemoteArtifacts;
import java.net.URI;
import java.util.Optional;
import picocli.CommandLine.Option;

/// The store that several machines share. Names are those of the processors' settings, so that one
/// environment serves both: `TOKENLOG_OBJECT_STORE_URL`, …
final class ObjectStoreOptions {

    @Option(
            names = "--object-store-url",
            paramLabel = "URL",
            description =
                    "s3://BUCKET/PREFIX, or a folder that several machines see. Credentials come from the"
                            + " usual places of S3 clients (AWS_ACCESS_KEY_ID, AWS_PROFILE, ...).")
    private String url;

    @Option(
            names = "--object-store-endpoint",
            paramLabel = "URL",
            description = "Address of a store other than Amazon's.")
    private URI endpoint;

    @Option(
            names = "--object-store-region",
            paramLabel = "NAME",
            description = "Region (default: from the environment or profile, else us-east-1).")
    private String region;

    Optional<RemoteArtifacts> open() {
        return Optional.ofNullable(url)
                .map(named ->
                        RemoteArtifacts.open(
                                new ObjectStoreSettings(
                                        named,
                                        Optional.ofNullable(endpoint),
                                        Optional.ofNullable(region))));
    }

    RemoteArtifacts require() {
        return open().orElseThrow(() ->
                new CommandFailure(ExitStatus.USAGE, "which store? --object-store-url is missing"));
    }
}
