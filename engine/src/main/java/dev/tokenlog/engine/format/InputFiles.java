package dev.tokenlog.engine.format;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;

/// Files that anybody may have put there. Only regular ones are opened: a pipe would wait for
/// whoever writes to it, a device may never end. Links are followed wherever they lead, since a
/// folder of the hub's cache consists of them
/// (`docs/decisions/0105-what-a-hostile-file-may-do.md`).
public final class InputFiles {

    private InputFiles() {}

    /// Whether a name stands in its folder, be it that of a link into nowhere or of something that
    /// may not be read: whoever opens it then says so, instead of doing without it.
    public static boolean isThere(Path file) {
        return !Files.notExists(file, LinkOption.NOFOLLOW_LINKS);
    }

    /// Call before opening.
    ///
    /// @throws EngineException `SOURCE_NOT_FOUND`; `SOURCE_UNREADABLE` for a folder, pipe or device
    public static void requireRegular(Path file) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            if (!attributes.isRegularFile()) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: is %s, expected a regular file"
                                .formatted(
                                        file,
                                        attributes.isDirectory()
                                                ? "a folder"
                                                : "a pipe or device"));
            }
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    /// What the operating system says about a file, in words.
    public static EngineException unreadable(Path file, IOException e) {
        if (e instanceof NoSuchFileException) {
            String what = Files.isSymbolicLink(file) ? "is a link into nowhere" : "not found";
            return new EngineException(Reason.SOURCE_NOT_FOUND, file + ": " + what, e);
        }
        String why =
                switch (e) {
                    case AccessDeniedException denied -> "permission denied";
                    case FileSystemException system when system.getReason() != null ->
                            system.getReason();
                    default -> e.getMessage();
                };
        return new EngineException(Reason.SOURCE_UNREADABLE, file + ": cannot be read: " + why, e);
    }
}
