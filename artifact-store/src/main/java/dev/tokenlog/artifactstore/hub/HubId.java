package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.Optional;
import java.util.regex.Pattern;

/// A model of the hub: `hub:ORG/NAME@REVISION`, or `hub:ORG/NAME@REVISION#FILE.gguf`, as requests,
/// manifests and events write it.
///
/// @param repository `ORG/NAME`; a few old ones have a `NAME` alone
/// @param revision a branch, a tag, `refs/pr/N` or a commit
/// @param file the GGUF file that is the model; empty where the repository is
public record HubId(String repository, String revision, Optional<String> file) {

    /// What makes a source a hub id beyond doubt.
    public static final String SCHEME = "hub:";

    /// The branch that is meant where none is named.
    public static final String MAIN = "main";

    private static final int LONGEST_NAME = 96;
    private static final Pattern NAME =
            Pattern.compile("[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?");
    private static final Pattern REVISION =
            Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._+@-]*(?:/[A-Za-z0-9_][A-Za-z0-9._+@-]*)*");
    private static final Pattern FILE =
            Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}\\.gguf");
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");

    public HubId {
        if (!isRepository(repository)) {
            throw wrong(repository, "no name of a repository; expected ORG/NAME");
        }
        if (revision.length() > 200
                || !REVISION.matcher(revision).matches()
                || revision.contains("..")) {
            throw wrong(repository + "@" + revision, "no name of a revision");
        }
        if (file.isPresent() && !FILE.matcher(file.get()).matches()) {
            throw wrong(repository + "#" + file.get(), "no name of a GGUF file of the repository");
        }
    }

    /// Whether a source names a model of the hub.
    public static boolean isHubId(String source) {
        return source.startsWith(SCHEME);
    }

    /// Whether a text has the form `ORG/NAME`, which a relative path may have as well.
    public static boolean looksLikeHubId(String text) {
        int at = text.indexOf('@');
        String repository = at < 0 ? text : text.substring(0, at);
        return repository.indexOf('/') > 0 && isRepository(repository);
    }

    private static boolean isRepository(String text) {
        String[] parts = text.split("/", -1);
        if (parts.length > 2
                || text.length() > LONGEST_NAME
                || text.contains("--")
                || text.contains("..")) {
            return false;
        }
        for (String part : parts) {
            if (!NAME.matcher(part).matches()) {
                return false;
            }
        }
        return true;
    }

    /// Reads `hub:ORG/NAME`, with `@REVISION` and `#FILE` or not, with or without the scheme.
    ///
    /// @param revision said beside the id, or null
    /// @throws EngineException `PARAMETER_OUT_OF_RANGE` if it is none, or names another revision
    public static HubId parse(String text, String revision) {
        String whole = isHubId(text) ? text.substring(SCHEME.length()) : text;
        int hash = whole.indexOf('#');
        String id = hash < 0 ? whole : whole.substring(0, hash);
        int at = id.indexOf('@');
        String repository = at < 0 ? id : id.substring(0, at);
        String inside = at < 0 ? null : id.substring(at + 1);
        if (inside != null && revision != null && !inside.equals(revision)) {
            throw wrong(
                    text, "names another revision than '" + revision + "', which was asked for");
        }
        return new HubId(
                repository,
                inside != null ? inside : revision != null ? revision : MAIN,
                hash < 0 ? Optional.empty() : Optional.of(whole.substring(hash + 1)));
    }

    private static EngineException wrong(String text, String why) {
        return new EngineException(
                Reason.PARAMETER_OUT_OF_RANGE, "hub id '%s': %s".formatted(text, why));
    }

    /// Whether the revision is a commit, whose content can never change.
    public boolean isPinned() {
        return isCommit(revision);
    }

    static boolean isCommit(String text) {
        return COMMIT.matcher(text).matches();
    }

    public HubId at(String commit) {
        return new HubId(repository, commit, file);
    }

    /// The same repository, of which one GGUF file is meant.
    public HubId withFile(String name) {
        return new HubId(repository, revision, Optional.of(name));
    }

    /// The repository without its organisation, or the file.
    public String name() {
        return file.orElseGet(() -> repository.substring(repository.indexOf('/') + 1));
    }

    @Override
    public String toString() {
        return SCHEME + repository + "@" + revision + file.map(name -> "#" + name).orElse("");
    }
}
