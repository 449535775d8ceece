package dev.tokenlog.integration;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/// The checkout that is under test, and the material that may lie beside it.
final class Checkout {

    private Checkout() {}

    static Path root() {
        return Path.of(System.getProperty("tokenlog.root")).toAbsolutePath();
    }

    static Path demoModel() {
        return root().resolve("demo-model/model");
    }

    /// A file or folder of `../shared`; skips the test, visibly, where there is none.
    static Path shared(String path) {
        Path found = root().resolveSibling("shared").resolve(path);
        assumeTrue(
                Files.exists(found), "needs ../shared/" + path + ", which a clone alone has not");
        return found;
    }

    static boolean hasShared(String path) {
        return Files.exists(root().resolveSibling("shared").resolve(path));
    }
}
