package dev.tokenlog.cli;

import dev.tokenlog.artifactstore.hub.HubId;
import dev.tokenlog.artifactstore.known.KnownModels;
import dev.tokenlog.engine.EngineException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Pattern;

/// What a user means by MODEL: a file or folder that is there; `demo`; a short name; a model of the
/// hub; else a path, of another machine maybe. What is there comes first.
sealed interface ModelChoice {

    /// @param remark what to say of the choice; empty where nobody could wonder
    record Local(Path path, Optional<String> remark) implements ModelChoice {}

    /// @param shortName by which it was called, if it was
    record OfHub(HubId id, Optional<String> shortName, Optional<String> remark)
            implements ModelChoice {}

    /// Files, not repositories, whatever stands before the dot.
    Pattern FILE = Pattern.compile("(?i).*\\.(gguf|safetensors|json|npy|npz)");

    Optional<String> remark();

    /// @param revision asked for, or null
    /// @param file of the repository that is meant, or null
    /// @throws CommandFailure if a revision or file is asked of what has none
    static ModelChoice of(String model, String revision, String file) {
        ModelChoice choice = of(model, revision);
        if (file == null) {
            return choice;
        }
        return switch (choice) {
            case Local local ->
                    throw CommandFailure.usage(
                            "--file %s: %s is no model of the hub".formatted(file, local.path()));
            case OfHub hub -> {
                try {
                    yield new OfHub(hub.id().withFile(file), Optional.empty(), hub.remark());
                } catch (EngineException e) {
                    throw new CommandFailure(ExitStatus.USAGE, e.getMessage(), e);
                }
            }
        };
    }

    private static ModelChoice of(String model, String revision) {
        if (HubId.isHubId(model)) {
            return new OfHub(hub(model, revision), Optional.empty(), Optional.empty());
        }
        Path path = path(model);
        boolean known = KnownModels.names().contains(model);
        boolean hubLike = known || HubId.looksLikeHubId(model) && !FILE.matcher(model).matches();
        if (Files.exists(path)) {
            return local(
                    path,
                    revision,
                    hubLike
                            ? "'%s' is the folder %s".formatted(model, path)
                                    + (known
                                            ? ""
                                            : "; the hub's model would be 'hub:%s'"
                                                    .formatted(model))
                            : null);
        }
        if (model.equals("demo")) {
            return local(Installation.demoModel(), revision, null);
        }
        if (known) {
            HubId id = KnownModels.find(model, revision).orElseThrow();
            return new OfHub(
                    id, Optional.of(model), Optional.of("'%s' is %s".formatted(model, id)));
        }
        if (hubLike) {
            HubId id = hub(model, revision);
            return new OfHub(
                    id,
                    Optional.empty(),
                    Optional.of("there is no folder '%s': taken as %s".formatted(model, id)));
        }
        return local(path, revision, null);
    }

    private static Local local(Path path, String revision, String remark) {
        if (revision != null) {
            throw CommandFailure.usage(
                    "--revision %s: %s is no model of the hub".formatted(revision, path));
        }
        return new Local(path, Optional.ofNullable(remark));
    }

    private static HubId hub(String model, String revision) {
        try {
            return HubId.parse(model, revision);
        } catch (EngineException e) {
            throw new CommandFailure(ExitStatus.USAGE, e.getMessage(), e);
        }
    }

    private static Path path(String model) {
        try {
            return Path.of(model).toAbsolutePath().normalize();
        } catch (InvalidPathException e) {
            throw new CommandFailure(
                    ExitStatus.USAGE, "'%s' is no path: %s".formatted(model, e.getReason()), e);
        }
    }
}
