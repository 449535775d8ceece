package dev.tokenlog.embeddedkafka;

import dev.tokenlog.embeddedkafka.EmbeddedKafkaException.Reason;
import java.io.File;
import java.io.IOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.jar.JarFile;
import java.util.jar.Manifest;
import java.util.stream.Stream;

/// Finds the class path for the child process from the program that runs. Three ways of starting
/// are known: a plain class path, a jar whose manifest names the others (Surefire, the command
/// line), and a Quarkus application, whose jars lie in `lib/main` and `lib/boot` and on no class
/// path at all.
final class BrokerClassPath {

    private static final String SERVER_CLASS = "kafka.server.KafkaRaftServer";

    private BrokerClassPath() {}

    static List<Path> find() {
        Path own = origin(BrokerProcess.class);
        Path server = origin(serverClass());
        List<Path> running = running();
        if (running.contains(server)) {
            // A build may have loaded this module from its classes while the class path names its
            // jar: the child runs what runs here.
            Set<Path> all = new LinkedHashSet<>();
            all.add(own);
            all.addAll(running);
            return List.copyOf(all);
        }
        Path folder = server.getParent();
        if (folder != null && folder.endsWith(Path.of("lib", "main"))) {
            Set<Path> jars = new LinkedHashSet<>(jarsIn(folder));
            jars.addAll(jarsIn(folder.resolveSibling("boot")));
            return List.copyOf(jars);
        }
        throw new EmbeddedKafkaException(
                Reason.START_FAILED,
                "the broker's class path is not known: %s comes from %s, which is not on the class path of this program"
                        .formatted(SERVER_CLASS, server));
    }

    private static Class<?> serverClass() {
        try {
            return Class.forName(SERVER_CLASS, false, BrokerClassPath.class.getClassLoader());
        } catch (ClassNotFoundException e) {
            throw new EmbeddedKafkaException(
                    Reason.START_FAILED,
                    "the Kafka server (kafka_2.13) is not on the class path",
                    e);
        }
    }

    private static Path origin(Class<?> type) {
        CodeSource source = type.getProtectionDomain().getCodeSource();
        if (source == null || source.getLocation() == null) {
            throw new EmbeddedKafkaException(
                    Reason.START_FAILED,
                    "it is not known which file %s comes from".formatted(type));
        }
        return toPath(source.getLocation());
    }

    private static Path toPath(URL location) {
        String text = location.toString();
        if (text.startsWith("jar:")) {
            text = text.substring("jar:".length(), text.indexOf("!/"));
        }
        try {
            return real(Path.of(new URI(text)));
        } catch (URISyntaxException | IllegalArgumentException e) {
            throw new EmbeddedKafkaException(
                    Reason.START_FAILED, "%s is not a file".formatted(location), e);
        }
    }

    /// The class path that this JVM was started with, with what the jars' manifests add.
    private static List<Path> running() {
        Set<Path> entries = new LinkedHashSet<>();
        for (String entry : System.getProperty("java.class.path", "").split(File.pathSeparator)) {
            if (!entry.isEmpty()) {
                add(real(Path.of(entry)), entries);
            }
        }
        return new ArrayList<>(entries);
    }

    private static void add(Path entry, Set<Path> entries) {
        if (!Files.exists(entry) || !entries.add(entry) || !Files.isRegularFile(entry)) {
            return;
        }
        try (JarFile jar = new JarFile(entry.toFile())) {
            Manifest manifest = jar.getManifest();
            String further =
                    manifest == null ? null : manifest.getMainAttributes().getValue("Class-Path");
            if (further != null) {
                for (String relative : further.split(" ")) {
                    add(real(Path.of(entry.toUri().resolve(relative))), entries);
                }
            }
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.START_FAILED,
                    "%s cannot be read as a jar: %s".formatted(entry, e.getMessage()),
                    e);
        }
    }

    private static List<Path> jarsIn(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(f -> f.toString().endsWith(".jar"))
                    .map(BrokerClassPath::real)
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.START_FAILED,
                    "the folder %s cannot be listed: %s".formatted(folder, e.getMessage()),
                    e);
        }
    }

    private static Path real(Path path) {
        try {
            return path.toRealPath();
        } catch (IOException e) {
            // Class paths name files that do not exist; who needs one of them will say so.
            return path.toAbsolutePath().normalize();
        }
    }
}
