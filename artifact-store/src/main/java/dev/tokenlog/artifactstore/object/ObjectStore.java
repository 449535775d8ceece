package dev.tokenlog.artifactstore.object;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.OptionalLong;

/// Bytes under keys like `sha256-…/manifest.json`. An object is there whole or not at all.
///
/// What goes wrong is an [dev.tokenlog.engine.EngineException] with the object's address:
/// `SOURCE_NOT_FOUND` (no such bucket), `SOURCE_FORBIDDEN` (credentials), `SOURCE_UNAVAILABLE`
/// (later may help) or `STORAGE_FAILED` (cannot be written). No message holds credentials.
public interface ObjectStore extends AutoCloseable {

    /// One object.
    ///
    /// @param written when it came there
    record Entry(String key, long bytes, Instant written) {}

    /// The key as people and logs name it: `s3://bucket/prefix/key`.
    String address(String key);

    /// Empty where there is no such object.
    OptionalLong size(String key);

    /// @param length at least 1; all of it has to be there
    InputStream read(String key, long from, long length) throws IOException;

    /// Replaces what is there.
    void write(String key, Path file);

    /// Whether or not it is there.
    void delete(String key);

    /// All objects whose keys begin like this.
    List<Entry> list(String prefix);

    @Override
    void close();
}
