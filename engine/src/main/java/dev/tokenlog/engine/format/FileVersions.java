package dev.tokenlog.engine.format;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What tells one version of a file from another without reading it. A mapped file that is written
/// to shows the old numbers here and the new ones there.
public final class FileVersions {

    private final Map<Path, Version> versions = new LinkedHashMap<>();

    private record Version(long bytes, FileTime modified, Object key) {

        static Version of(Path file) {
            try {
                BasicFileAttributes attributes =
                        Files.readAttributes(file, BasicFileAttributes.class);
                return new Version(
                        attributes.size(), attributes.lastModifiedTime(), attributes.fileKey());
            } catch (IOException e) {
                throw InputFiles.unreadable(file, e);
            }
        }
    }

    /// As the files are now.
    public FileVersions(List<Path> files) {
        files.forEach(file -> versions.put(file, Version.of(file)));
    }

    /// @throws EngineException `SOURCE_UNREADABLE` naming a file that has been written to, or
    ///   replaced, since then
    public void refuseChanges() {
        versions.forEach((file, version) -> {
            if (!Version.of(file).equals(version)) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE, file + ": changed while it was read");
            }
        });
    }
}
