package dev.tokenlog.artifactstore.object;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.net.URI;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Which store. Credentials are never part of it: they come from the standard chain of the S3
/// client (environment, profile files, container, instance).
///
/// @param location `s3://BUCKET/PREFIX`, or a folder
/// @param endpoint of a store other than Amazon's, `https://minio.example:9000`
/// @param region missing: from the standard chain, else `us-east-1`
public record ObjectStoreSettings(
        String location, Optional<URI> endpoint, Optional<String> region) {

    private static final Pattern S3 =
            Pattern.compile("s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?");

    public static ObjectStoreSettings of(String location) {
        return new ObjectStoreSettings(location, Optional.empty(), Optional.empty());
    }

    /// @throws EngineException `PARAMETER_OUT_OF_RANGE` if the location is none
    public ObjectStore open() {
        if (!location.startsWith("s3:")) {
            return new FolderObjects(folder());
        }
        Matcher matcher = S3.matcher(location);
        if (!matcher.matches()) {
            throw wrong("expected s3://BUCKET or s3://BUCKET/PREFIX");
        }
        String prefix = matcher.group(2) == null ? "" : matcher.group(2).replaceAll("/+$", "");
        return new S3Objects(
                S3Objects.connect(this), matcher.group(1), prefix.isEmpty() ? "" : prefix + "/");
    }

    private Path folder() {
        try {
            return location.startsWith("file:") ? Path.of(URI.create(location)) : Path.of(location);
        } catch (IllegalArgumentException e) {
            throw wrong("no folder of this machine: " + e.getMessage());
        }
    }

    private EngineException wrong(String what) {
        return new EngineException(
                Reason.PARAMETER_OUT_OF_RANGE, "object store '" + location + "': " + what);
    }
}
