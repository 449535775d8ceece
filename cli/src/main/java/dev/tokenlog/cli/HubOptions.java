package dev.tokenlog.cli;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubSettings;
import dev.tokenlog.artifactstore.hub.HubSnapshot;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/// Which model of the hub is meant. Commands that read a model themselves take it out of the cache,
/// and download it where it is not there.
final class HubOptions {

    /// What MODEL may be, for commands that read it themselves.
    static final String MODEL =
            "A short name (see 'convert --list'), a model of the hub (ORG/NAME), a folder or a GGUF"
                    + " file; or 'demo'.";

    @Option(
            names = "--revision",
            paramLabel = "REV",
            description = "Branch, tag or commit of a model of the hub (default: main).")
    private String revision;

    @Option(
            names = "--file",
            paramLabel = "X.gguf",
            description = "The GGUF file of a repository of the hub that is meant.")
    private String file;

    private HubSnapshot snapshot;

    static HubSettings settings(CommonOptions common) {
        return HubSettings.of(common.environment(), Path.of(System.getProperty("user.home")));
    }

    /// What is meant by MODEL together with these options.
    ModelChoice choice(String model) {
        return ModelChoice.of(model, revision, file);
    }

    /// Whether one file of a repository was named.
    boolean namesFile() {
        return file != null;
    }

    /// Where the model lies on this machine.
    ///
    /// @return `demo`, or a path
    String local(String model, Hub.Part part, CommonOptions common) {
        ModelChoice choice = choice(model);
        choice.remark().ifPresent(remark -> common.terminal().err("tokenlog: " + remark));
        return switch (choice) {
            case ModelChoice.Local local -> local.path().toString();
            case ModelChoice.OfHub hub -> {
                try (DownloadProgress progress =
                        new DownloadProgress(common.terminal(), "download")) {
                    snapshot =
                            new Hub(settings(common))
                                    .cachedOrFetch(hub.id(), part, progress::show, () -> false);
                }
                common.terminal()
                        .err(
                                "tokenlog: %s%s"
                                        .formatted(
                                                snapshot.id(),
                                                snapshot.fromNetwork()
                                                        ? ""
                                                        : ", out of the cache"));
                yield snapshot.path().toString();
            }
        };
    }

    /// The model of the hub that was asked for, if it was one.
    Optional<HubSnapshot> snapshot() {
        return Optional.ofNullable(snapshot);
    }
}
