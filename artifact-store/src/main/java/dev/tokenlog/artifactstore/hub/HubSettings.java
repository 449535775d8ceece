package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.net.ProxySelector;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// How to reach the hub and where its files are kept, by the variables that the hub's own client
/// reads too.
///
/// @param endpoint without a slash at the end
/// @param cache the folder with `models--…`, shared with the hub's own client
/// @param offline use the cache and nothing else
/// @param links whether a snapshot may point to its files; else it holds them
/// @param proxies that the environment names
/// @param patience with the network
public record HubSettings(
        URI endpoint,
        Optional<HubToken> token,
        Path cache,
        boolean offline,
        boolean links,
        Optional<ProxySelector> proxies,
        Patience patience) {

    private static final String DEFAULT_ENDPOINT = "https://huggingface.co";
    private static final Set<String> TRUE = Set.of("1", "ON", "YES", "TRUE");
    private static final List<String> TOKEN_VARIABLES =
            List.of("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN");

    /// @param silence how long nothing may come from a connection before it counts as dead
    /// @param retries in a row that may bring nothing
    /// @param firstPause before the first of them; each further one doubles it, less some luck
    /// @param longestPause that the hub may ask for
    /// @param connections at a time
    public record Patience(
            Duration silence,
            int retries,
            Duration firstPause,
            Duration longestPause,
            int connections) {

        static final Patience USUAL =
                new Patience(
                        Duration.ofSeconds(30),
                        5,
                        Duration.ofMillis(500),
                        Duration.ofMinutes(5),
                        4);

        Patience withSilence(Duration other) {
            return new Patience(other, retries, firstPause, longestPause, connections);
        }
    }

    /// Reads `HF_ENDPOINT`, `HF_HOME`, `HF_HUB_CACHE`, `HF_TOKEN` and its older names,
    /// `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`, `HF_HUB_DISABLE_SYMLINKS`,
    /// `HF_HUB_DISABLE_IMPLICIT_TOKEN` and `HF_HUB_DOWNLOAD_TIMEOUT`, and the proxies of
    /// [EnvironmentProxies]. Nothing is created.
    ///
    /// @param userHome the user's folder
    /// @throws EngineException `PARAMETER_OUT_OF_RANGE` naming the variable that is wrong
    public static HubSettings of(Map<String, String> environment, Path userHome) {
        Environment env = new Environment(environment, userHome);
        Path home =
                env.path("HF_HOME")
                        .orElseGet(() ->
                                env.path("XDG_CACHE_HOME")
                                        .orElseGet(() -> userHome.resolve(".cache"))
                                        .resolve("huggingface"));
        Path cache =
                env.path("HF_HUB_CACHE")
                        .or(() -> env.path("HUGGINGFACE_HUB_CACHE"))
                        .orElseGet(() -> home.resolve("hub"))
                        .toAbsolutePath()
                        .normalize();
        return new HubSettings(
                endpoint(env),
                env.flag("HF_HUB_DISABLE_IMPLICIT_TOKEN") ? Optional.empty() : token(env, home),
                cache,
                env.text("HF_HUB_OFFLINE").isPresent()
                        ? env.flag("HF_HUB_OFFLINE")
                        : env.flag("TRANSFORMERS_OFFLINE"),
                !env.flag("HF_HUB_DISABLE_SYMLINKS"),
                EnvironmentProxies.of(environment),
                patience(env));
    }

    /// Of this process.
    public static HubSettings ofProcess() {
        return of(System.getenv(), Path.of(System.getProperty("user.home")));
    }

    private static URI endpoint(Environment env) {
        String text = env.text("HF_ENDPOINT").orElse(DEFAULT_ENDPOINT).replaceAll("/+$", "");
        try {
            URI uri = new URI(text);
            boolean web = "http".equals(uri.getScheme()) || "https".equals(uri.getScheme());
            if (web
                    && uri.getHost() != null
                    && uri.getUserInfo() == null
                    && uri.getQuery() == null
                    && uri.getFragment() == null) {
                return uri;
            }
        } catch (URISyntaxException e) {
            throw wrong("HF_ENDPOINT", "expected an address like " + DEFAULT_ENDPOINT, e);
        }
        throw wrong("HF_ENDPOINT", "expected an address like " + DEFAULT_ENDPOINT, null);
    }

    private static Optional<HubToken> token(Environment env, Path home) {
        for (String variable : TOKEN_VARIABLES) {
            Optional<String> value = env.text(variable);
            if (value.isPresent()) {
                return Optional.of(HubToken.of(value.get(), variable));
            }
        }
        Path file = env.path("HF_TOKEN_PATH").orElseGet(() -> home.resolve("token"));
        try {
            String text = Files.readString(file);
            return text.isBlank()
                    ? Optional.empty()
                    : Optional.of(HubToken.of(text, file.toString()));
        } catch (NoSuchFileException e) {
            return Optional.empty();
        } catch (IOException e) {
            // Nothing of the file's content is in the message.
            throw new EngineException(
                    Reason.PARAMETER_OUT_OF_RANGE,
                    "the token file %s cannot be read (%s): make it readable, or name another one by HF_TOKEN_PATH"
                            .formatted(file, e.getClass().getSimpleName()));
        }
    }

    private static Patience patience(Environment env) {
        Optional<String> seconds = env.text("HF_HUB_DOWNLOAD_TIMEOUT");
        if (seconds.isEmpty()) {
            return Patience.USUAL;
        }
        if (!seconds.get().matches("[1-9][0-9]{0,4}")) {
            throw wrong("HF_HUB_DOWNLOAD_TIMEOUT", "expected whole seconds", null);
        }
        return Patience.USUAL.withSilence(Duration.ofSeconds(Integer.parseInt(seconds.get())));
    }

    private static EngineException wrong(String variable, String expected, Exception cause) {
        return new EngineException(
                Reason.PARAMETER_OUT_OF_RANGE, variable + ": " + expected, cause);
    }

    HubSettings withPatience(Patience other) {
        return new HubSettings(endpoint, token, cache, offline, links, proxies, other);
    }

    /// The page of a model, where a licence is accepted.
    String page(String repository) {
        return endpoint + "/" + repository;
    }

    private record Environment(Map<String, String> variables, Path userHome) {

        Optional<String> text(String name) {
            return Optional.ofNullable(variables.get(name))
                    .map(String::strip)
                    .filter(s -> !s.isEmpty());
        }

        boolean flag(String name) {
            return text(name)
                    .map(value -> TRUE.contains(value.toUpperCase(Locale.ROOT)))
                    .orElse(false);
        }

        Optional<Path> path(String name) {
            return text(name)
                    .map(value -> {
                        try {
                            return value.equals("~") || value.startsWith("~/")
                                    ? userHome.resolve(value.substring(Math.min(2, value.length())))
                                    : Path.of(value);
                        } catch (InvalidPathException e) {
                            throw wrong(name, "no path of this machine", e);
                        }
                    });
        }
    }
}
