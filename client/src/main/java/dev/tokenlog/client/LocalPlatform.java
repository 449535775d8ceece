package dev.tokenlog.client;

import java.io.IOException;
import java.io.Reader;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;

/// A platform that runs on this machine, as it describes itself in its data folder. That is how a
/// command finds the broker that `tokenlog up` started on some free port.
///
/// @param processId of the platform; the file of a process that is gone counts for nothing
/// @param bootstrapServers of its Kafka
/// @param topicPrefix empty, or what all its topic names begin with
/// @param url of its HTTP server: health, later the gateway
/// @param compute the line that says which kernels compute, and why
public record LocalPlatform(
        long processId, String bootstrapServers, String topicPrefix, String url, String compute) {

    private static final String FILE = "platform.properties";

    /// Where a user's data lies: `TOKENLOG_HOME`, else the XDG data folder.
    ///
    /// @param environment as [System#getenv()]
    /// @param userHome as the system property `user.home`
    public static Path home(Map<String, String> environment, Path userHome) {
        String own = environment.getOrDefault("TOKENLOG_HOME", "");
        if (!own.isBlank()) {
            return Path.of(own).toAbsolutePath().normalize();
        }
        String xdg = environment.getOrDefault("XDG_DATA_HOME", "");
        // The XDG specification: a relative path is invalid and to be ignored.
        Path base =
                xdg.startsWith("/") ? Path.of(xdg) : userHome.resolve(".local").resolve("share");
        return base.resolve("tokenlog");
    }

    /// The platform that runs on this data folder, if one does.
    ///
    /// @throws IOException if there is a description that cannot be read
    public static Optional<LocalPlatform> running(Path data) throws IOException {
        Path file = data.resolve(FILE);
        if (!Files.isRegularFile(file)) {
            return Optional.empty();
        }
        Properties properties = new Properties();
        try (Reader reader = Files.newBufferedReader(file)) {
            properties.load(reader);
        } catch (IllegalArgumentException e) {
            throw new IOException(
                    "%s is no properties file: %s".formatted(file, e.getMessage()), e);
        }
        LocalPlatform platform =
                new LocalPlatform(
                        processId(properties.getProperty("process.id", "")),
                        properties.getProperty("bootstrap.servers", ""),
                        properties.getProperty("topic.prefix", ""),
                        properties.getProperty("url", ""),
                        properties.getProperty("compute", ""));
        boolean alive =
                ProcessHandle.of(platform.processId()).filter(ProcessHandle::isAlive).isPresent();
        return alive && !platform.bootstrapServers().isEmpty()
                ? Optional.of(platform)
                : Optional.empty();
    }

    private static long processId(String text) {
        // No process has the number 0, so a damaged file is that of a platform that is gone.
        return text.matches("[0-9]{1,18}") ? Long.parseLong(text) : 0;
    }

    /// Writes the description, replacing an older one at once.
    public void write(Path data) throws IOException {
        Properties properties = new Properties();
        properties.setProperty("process.id", Long.toString(processId));
        properties.setProperty("bootstrap.servers", bootstrapServers);
        properties.setProperty("topic.prefix", topicPrefix);
        properties.setProperty("url", url);
        properties.setProperty("compute", compute);
        Path fresh = Files.createTempFile(data, "platform", null);
        try (Writer writer = Files.newBufferedWriter(fresh)) {
            properties.store(writer, "the platform that runs on this folder");
        }
        Files.move(fresh, data.resolve(FILE), StandardCopyOption.REPLACE_EXISTING);
    }

    /// Removes the description at the platform's end.
    public static void remove(Path data) throws IOException {
        Files.deleteIfExists(data.resolve(FILE));
    }
}
