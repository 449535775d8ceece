package dev.tokenlog.engine;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;

/// Where tests find models and further material.
public final class TestFiles {

    private TestFiles() {}

    /// The root of the checkout.
    public static Path root() {
        return Path.of(Objects.requireNonNull(System.getProperty("tokenlog.root")));
    }

    /// The model that comes with the repository.
    public static Path demoModel() {
        return root().resolve("demo-model/model");
    }

    /// A tiny model of one architecture with reference logits.
    public static Path golden(String name) {
        return resource("golden/" + name);
    }

    /// The names of all tiny models.
    public static List<String> goldenModels() {
        try (Stream<Path> folders = Files.list(resource("golden"))) {
            return folders.filter(Files::isDirectory)
                    .map(folder -> folder.getFileName().toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public static Path resource(String name) {
        try {
            return Path.of(
                    Objects.requireNonNull(TestFiles.class.getClassLoader().getResource(name), name)
                            .toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /// A folder of material that lies beside some checkouts; the test is skipped where it does not.
    public static Path shared(String name) {
        Path folder = root().resolveSibling("shared").resolve("data").resolve(name);
        assumeTrue(Files.exists(folder), () -> "skipped: " + folder + " is not there");
        return folder;
    }

    /// A copy that a test may spoil.
    public static Path copy(Path folder, Path target) {
        try (Stream<Path> files = Files.list(folder)) {
            Files.createDirectories(target);
            for (Path file : files.toList()) {
                Files.copy(file, target.resolve(file.getFileName()));
            }
            return target;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
