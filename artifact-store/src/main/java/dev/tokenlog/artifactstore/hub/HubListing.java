package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.stream.Collectors;

/// What a repository holds at one commit, in its uppermost folder, and further chat templates:
/// models keep nothing else that we read below it.
record HubListing(HubId id, String commit, Map<String, HubFile> files) {

    HubListing {
        files = Map.copyOf(files);
    }

    static HubListing of(HubId id, String commit, List<HubFile> files) {
        return new HubListing(
                id,
                commit,
                files.stream()
                        .filter(file -> file.path().indexOf('/') < 0 || isTemplate(file.path()))
                        .collect(
                                Collectors.toMap(
                                        HubFile::path,
                                        Function.identity(),
                                        (one, other) -> {
                                            throw new EngineException(
                                                    Reason.SOURCE_UNREADABLE,
                                                    "%s: the hub lists '%s' twice"
                                                            .formatted(id, one.path()));
                                        })));
    }

    private static boolean isTemplate(String path) {
        String folder = ChatTemplate.ADDITIONAL + "/";
        return path.startsWith(folder)
                && path.endsWith(".jinja")
                && path.indexOf('/', folder.length()) < 0;
    }

    /// Templates beside the usual one, for tools for instance.
    List<HubFile> moreTemplates() {
        return files.values().stream()
                .filter(file -> isTemplate(file.path()))
                .sorted(Comparator.comparing(HubFile::path))
                .toList();
    }

    Optional<HubFile> find(String path) {
        return Optional.ofNullable(files.get(path));
    }
}
