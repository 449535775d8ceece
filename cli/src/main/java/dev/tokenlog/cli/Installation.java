package dev.tokenlog.cli;

import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Where the files lie that came with the program: a checkout, or a released archive of the same
/// shape.
final class Installation {

    private Installation() {}

    /// The bundled model's folder.
    ///
    /// @throws CommandFailure if it is not there
    static Path demoModel() {
        return require("demo-model/model", "the bundled model");
    }

    /// The bundled model's held-out text.
    ///
    /// @throws CommandFailure if it is not there
    static Path heldOutText() {
        return require("demo-model/heldout.jsonl", "the held-out text");
    }

    /// The runner of the standalone platform.
    ///
    /// @throws CommandFailure if it has not been built
    static Path standaloneRunner() {
        return require("standalone/target/quarkus-app/quarkus-run.jar", "the standalone platform");
    }

    /// The chaos harness.
    ///
    /// @throws CommandFailure if it has not been built
    static Path chaosJar() {
        return require("chaos/target/tokenlog-chaos.jar", "the chaos harness");
    }

    private static Path require(String relative, String what) {
        Path path = root().resolve(relative);
        if (!Files.exists(path)) {
            throw CommandFailure.environment(
                    "%s is missing (%s): start this by the tokenlog script, which builds what is missing"
                            .formatted(what, path));
        }
        return path;
    }

    /// As the script says it, or found from our own jar (`cli/target/`).
    static Path root() {
        String said = System.getProperty("tokenlog.root");
        if (said != null) {
            return Path.of(said);
        }
        try {
            Path own =
                    Path.of(
                            Installation.class
                                    .getProtectionDomain()
                                    .getCodeSource()
                                    .getLocation()
                                    .toURI());
            Path target = own.getParent();
            return target.getParent().getParent();
        } catch (URISyntaxException e) {
            throw new IllegalStateException("our own jar has no path", e);
        }
    }
}
