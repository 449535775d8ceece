package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.io.InputStream;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;

/// HTTP GET as the hub wants it. Redirects are followed one by one, because the token belongs to
/// the hub's own origin (scheme, host and port) and is not sent anywhere else. A connection on
/// which nothing comes is given up; waiting can be stopped at any time.
///
/// An `IOException` means that another attempt may help; whatever would not get better is an
/// [EngineException].
final class HubTransport implements AutoCloseable {

    private static final int MOST_REDIRECTS = 10;
    private static final Duration CONNECT = Duration.ofSeconds(10);
    private static final long TICK_MILLIS = 50;

    private final HubSettings settings;
    private final HttpClient client;
    private final Set<WatchedStream> open = ConcurrentHashMap.newKeySet();
    private final ScheduledExecutorService watch =
            Executors.newSingleThreadScheduledExecutor(
                    Thread.ofPlatform().daemon().name("hub-watch").factory());

    HubTransport(HubSettings settings) {
        this(settings, null);
    }

    /// @param tls whom to trust, or null for the JDK's usual authorities
    HubTransport(HubSettings settings, SSLContext tls) {
        this.settings = settings;
        HttpClient.Builder builder =
                HttpClient.newBuilder()
                        // A connection of its own for each shard.
                        .version(HttpClient.Version.HTTP_1_1)
                        .followRedirects(HttpClient.Redirect.NEVER)
                        .connectTimeout(CONNECT);
        settings.proxies().ifPresent(builder::proxy);
        this.client = (tls == null ? builder : builder.sslContext(tls)).build();
        watch.scheduleAtFixedRate(
                () -> open.forEach(WatchedStream::check),
                TICK_MILLIS,
                TICK_MILLIS,
                TimeUnit.MILLISECONDS);
    }

    /// An answer whose body has not been read.
    ///
    /// @param uri where it came from, after redirects
    record Answer(int status, HttpHeaders headers, InputStream body, URI uri)
            implements AutoCloseable {

        String header(String name) {
            return headers.firstValue(name).orElse(null);
        }

        @Override
        public void close() throws IOException {
            body.close();
        }
    }

    /// @param headers beside our usual ones
    /// @param stop true ends it with a `CancellationException`
    /// @return an answer of any status that is no redirect
    Answer get(URI uri, Map<String, String> headers, BooleanSupplier stop) throws IOException {
        URI next = uri;
        for (int hops = 0; hops <= MOST_REDIRECTS; hops++) {
            Answer answer = send(next, headers, stop);
            if (!isRedirect(answer.status())) {
                return answer;
            }
            answer.close();
            next = redirected(next, answer.header("Location"));
        }
        throw new EngineException(
                Reason.SOURCE_UNREADABLE,
                "%s: more than %d redirects, the last one to %s"
                        .formatted(shown(uri), MOST_REDIRECTS, shown(next)));
    }

    private static boolean isRedirect(int status) {
        return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    }

    /// Where a redirect leads.
    ///
    /// @throws EngineException `SOURCE_UNREADABLE` if it leads away from HTTP or from encryption
    static URI redirected(URI from, String location) {
        URI to;
        try {
            to = location == null ? null : from.resolve(location);
        } catch (IllegalArgumentException e) {
            throw refused(from, "to no address", e);
        }
        if (to == null || to.getHost() == null || to.getUserInfo() != null) {
            throw refused(from, "to no address", null);
        }
        boolean encrypted = "https".equalsIgnoreCase(to.getScheme());
        if (!encrypted && !"http".equalsIgnoreCase(to.getScheme())) {
            throw refused(from, "to " + to.getScheme() + ":", null);
        }
        if (!encrypted && "https".equalsIgnoreCase(from.getScheme())) {
            throw refused(from, "from https to http, to " + to.getHost(), null);
        }
        return to;
    }

    private static EngineException refused(URI from, String where, Exception cause) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE,
                "%s: a redirect %s is not followed".formatted(shown(from), where),
                cause);
    }

    /// Whether an address belongs to the hub itself.
    boolean isHub(URI uri) {
        URI hub = settings.endpoint();
        return hub.getScheme().equalsIgnoreCase(uri.getScheme())
                && hub.getHost().equalsIgnoreCase(uri.getHost())
                && port(hub) == port(uri);
    }

    private static int port(URI uri) {
        return uri.getPort() >= 0
                ? uri.getPort()
                : "https".equalsIgnoreCase(uri.getScheme()) ? 443 : 80;
    }

    /// Without the query: a signed link is as good as a token.
    static String shown(URI uri) {
        return uri.getScheme() + "://" + uri.getRawAuthority() + uri.getRawPath();
    }

    private Answer send(URI uri, Map<String, String> headers, BooleanSupplier stop)
            throws IOException {
        HttpRequest.Builder request =
                HttpRequest.newBuilder(uri)
                        .header("User-Agent", "tokenlog")
                        .header("Accept-Encoding", "identity");
        headers.forEach(request::header);
        if (isHub(uri)) {
            settings.token()
                    .ifPresent(token -> request.header("Authorization", token.authorization()));
        }
        CompletableFuture<HttpResponse<InputStream>> sent =
                client.sendAsync(request.build(), BodyHandlers.ofInputStream());
        HttpResponse<InputStream> response = await(sent, uri, stop);
        return new Answer(
                response.statusCode(),
                response.headers(),
                new WatchedStream(response.body(), stop),
                uri);
    }

    private HttpResponse<InputStream> await(
            CompletableFuture<HttpResponse<InputStream>> sent, URI uri, BooleanSupplier stop)
            throws IOException {
        long deadline = System.nanoTime() + settings.patience().silence().toNanos();
        boolean answered = false;
        try {
            while (true) {
                requireGoOn(stop);
                try {
                    HttpResponse<InputStream> response =
                            sent.get(TICK_MILLIS, TimeUnit.MILLISECONDS);
                    answered = true;
                    return response;
                } catch (TimeoutException e) {
                    if (System.nanoTime() > deadline) {
                        throw new IOException(shown(uri) + ": no answer within " + silence(), e);
                    }
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("interrupted");
        } catch (ExecutionException e) {
            throw failed(uri, e.getCause());
        } finally {
            if (!answered) {
                sent.cancel(true);
            }
        }
    }

    private static IOException failed(URI uri, Throwable cause) {
        String where = uri.getScheme() + "://" + uri.getRawAuthority();
        return switch (cause) {
            case SSLException e ->
                    throw new EngineException(
                            Reason.SOURCE_UNAVAILABLE,
                            where + ": no encrypted connection: " + e.getMessage(),
                            e);
            case HttpTimeoutException e -> new IOException(where + ": no connection in time", e);
            case ConnectException e ->
                    new IOException(where + ": no connection (is the network there?)", e);
            case IOException e -> new IOException(where + ": " + e.getMessage(), e);
            default -> new IOException(where + ": " + cause, cause);
        };
    }

    static void requireGoOn(BooleanSupplier stop) {
        if (stop.getAsBoolean() || Thread.currentThread().isInterrupted()) {
            throw new CancellationException("the download was stopped");
        }
    }

    private String silence() {
        return settings.patience().silence().toMillis() / 1000.0 + " s";
    }

    @Override
    public void close() {
        watch.shutdownNow();
        client.shutdownNow();
    }

    /// A body that is given up when less than [#LEAST] bytes come within the time that a connection
    /// may be silent. Only waiting for the network counts.
    private final class WatchedStream extends InputStream {

        private static final int LEAST = 1024;

        private final InputStream in;
        private final BooleanSupplier stop;
        private long waited;
        private long readingSince;
        private int came;
        private boolean reading;
        private volatile boolean silent;

        WatchedStream(InputStream in, BooleanSupplier stop) {
            this.in = in;
            this.stop = stop;
            open.add(this);
        }

        private synchronized void check() {
            long waiting = waited + (reading ? System.nanoTime() - readingSince : 0);
            silent |= waiting > settings.patience().silence().toNanos();
            if (reading && (silent || stop.getAsBoolean())) {
                try {
                    in.close();
                } catch (IOException e) {
                    // The reader, which this was to wake, ends at its next byte.
                    silent = true;
                }
            }
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            begin();
            int count = -1;
            try {
                count = in.read(bytes, offset, length);
            } catch (IOException e) {
                requireGoOn(stop);
                throw silent ? tooSilent() : e;
            } finally {
                end(count);
            }
            requireGoOn(stop);
            if (silent) {
                throw tooSilent();
            }
            return count;
        }

        private synchronized void begin() {
            requireGoOn(stop);
            reading = true;
            readingSince = System.nanoTime();
        }

        private synchronized void end(int count) {
            reading = false;
            waited += System.nanoTime() - readingSince;
            came += Math.max(0, count);
            if (came >= LEAST) {
                came = 0;
                waited = 0;
            }
        }

        private IOException tooSilent() {
            return new IOException("less than %d bytes came within %s".formatted(LEAST, silence()));
        }

        @Override
        public void close() throws IOException {
            open.remove(this);
            in.close();
        }
    }
}
