package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.net.ProxySelector;
import java.net.SocketAddress;
import java.net.URI;
import java.net.URISyntaxException;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/// The proxies that `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` name, in capitals or
/// small letters, as the hub's own client and most programs take them. `NO_PROXY` holds hosts and
/// domains, or `*`; this machine is never asked for by a proxy.
final class EnvironmentProxies extends ProxySelector {

    private final Map<String, Proxy> byScheme;
    private final List<String> direct;

    private EnvironmentProxies(Map<String, Proxy> byScheme, List<String> direct) {
        this.byScheme = Map.copyOf(byScheme);
        this.direct = List.copyOf(direct);
    }

    /// @return empty if the environment names none
    /// @throws EngineException `PARAMETER_OUT_OF_RANGE` naming the variable that we do not
    ///   understand
    static Optional<ProxySelector> of(Map<String, String> environment) {
        Map<String, Proxy> byScheme = new HashMap<>();
        for (String scheme : List.of("http", "https")) {
            proxy(environment, scheme + "_proxy")
                    .or(() -> proxy(environment, "all_proxy"))
                    .ifPresent(proxy -> byScheme.put(scheme, proxy));
        }
        if (byScheme.isEmpty()) {
            return Optional.empty();
        }
        List<String> direct =
                value(environment, "no_proxy").stream()
                        .flatMap(list -> List.of(list.split("[,\\s]+")).stream())
                        .map(entry -> entry.toLowerCase(Locale.ROOT))
                        .toList();
        return Optional.of(new EnvironmentProxies(byScheme, direct));
    }

    private static Optional<String> value(Map<String, String> environment, String name) {
        return Optional.ofNullable(environment.get(name))
                .or(() -> Optional.ofNullable(environment.get(name.toUpperCase(Locale.ROOT))))
                .filter(text -> !text.isBlank());
    }

    /// `http://proxy:3128`, or `proxy:3128`.
    private static Optional<Proxy> proxy(Map<String, String> environment, String name) {
        return value(environment, name)
                .map(text -> {
                    try {
                        URI uri = new URI(text.contains("://") ? text : "http://" + text);
                        boolean plain = "http".equals(uri.getScheme()) && uri.getUserInfo() == null;
                        if (plain && uri.getHost() != null) {
                            int port = uri.getPort() < 0 ? 80 : uri.getPort();
                            return new Proxy(
                                    Proxy.Type.HTTP,
                                    InetSocketAddress.createUnresolved(uri.getHost(), port));
                        }
                    } catch (URISyntaxException e) {
                        throw refused(name);
                    }
                    throw refused(name);
                });
    }

    /// Without the value: there may be a password in it.
    private static EngineException refused(String name) {
        return new EngineException(
                Reason.PARAMETER_OUT_OF_RANGE,
                name.toUpperCase(Locale.ROOT)
                        + ": expected http://HOST:PORT without user and password");
    }

    @Override
    public List<Proxy> select(URI uri) {
        String host = uri.getHost().toLowerCase(Locale.ROOT);
        boolean here = host.equals("localhost") || host.startsWith("127.") || host.equals("[::1]");
        Proxy proxy = byScheme.get(uri.getScheme().toLowerCase(Locale.ROOT));
        return here || proxy == null || direct.stream().anyMatch(entry -> covers(entry, host))
                ? List.of(Proxy.NO_PROXY)
                : List.of(proxy);
    }

    private static boolean covers(String entry, String host) {
        String domain = entry.replaceFirst("^\\*?\\.", "");
        return entry.equals("*")
                || !domain.isEmpty() && (host.equals(domain) || host.endsWith("." + domain));
    }

    @Override
    public void connectFailed(URI uri, SocketAddress proxy, IOException failure) {
        // There is only the one: the request fails, and says so.
    }
}
