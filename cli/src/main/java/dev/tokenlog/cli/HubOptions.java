package dev.tokenlog.cli;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubSettings;
import dev.tokenlog.artifactstore.hub.HubSnapshot;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/// For commands that read a model themselves: a model of the hub is taken out of the cache, and
/// downloaded where it is not there.
final class HubOptions {

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

    /// Where the model lies on this machine.
    ///
    /// @return `demo`, or a path
    String local(String model, Hub.Part part, CommonOptions common) {
        ModelChoice choice = ModelChoice.of(model, revision, file);
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
