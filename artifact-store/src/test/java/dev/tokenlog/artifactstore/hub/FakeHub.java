package dev.tokenlog.artifactstore.hub;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.net.URI;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;

/// A hub on the loopback interface that behaves like the real one: the model API, `resolve` with
/// the hub's headers, large files by a redirect to a second port (its CDN) with signed links and
/// ranges, gated and private repositories. On top of that, faults for single requests.
///
/// Written on sockets, so that an answer can be cut at any byte.
public final class FakeHub implements AutoCloseable {

    /// @param host `hub` or `cdn`
    /// @param headers by lower-case name
    public record Request(
            String host, String method, String path, String query, Map<String, String> headers) {

        public String header(String name) {
            return headers.get(name);
        }
    }

    private record Repository(
            String id, String commit, Map<String, byte[]> files, boolean gated, boolean secret) {}

    /// What goes wrong with the next request that it is meant for.
    private record Fault(
            int status,
            Map<String, String> headers,
            int cutAfter,
            int stallAfter,
            boolean ignoreRange,
            boolean otherRange,
            byte[] content,
            long bytesPerSecond) {

        static final Fault NONE = new Fault(0, Map.of(), -1, -1, false, false, null, 0);
    }

    private final Map<String, Repository> repositories = new ConcurrentHashMap<>();
    private final Map<String, Deque<Fault>> faults = new ConcurrentHashMap<>();
    private final List<Request> requests = new CopyOnWriteArrayList<>();
    private final ServerSocket hub;
    private final ServerSocket cdn;
    private final List<Socket> open = new CopyOnWriteArrayList<>();
    private final AtomicInteger cdnNow = new AtomicInteger();
    private final AtomicInteger cdnMost = new AtomicInteger();
    private volatile String token;
    private volatile List<String> moreSiblings = List.of();
    private volatile boolean pages;
    private volatile long bytesPerSecond;

    public FakeHub() {
        try {
            hub = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
            cdn = new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        serve(hub, "hub");
        serve(cdn, "cdn");
    }

    /// Serves folders by hand: `ORG/NAME=FOLDER …`; `--token T`, `--rate BYTES_PER_SECOND`.
    public static void main(String[] arguments) throws InterruptedException {
        FakeHub hub = new FakeHub();
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--token" -> hub.token = arguments[++i];
                case "--rate" -> hub.bytesPerSecond = Long.parseLong(arguments[++i]);
                default -> {
                    String[] pair = arguments[i].split("=", 2);
                    hub.add(pair[0], Path.of(pair[1]));
                }
            }
        }
        System.out.println("HF_ENDPOINT=" + hub.endpoint());
        Thread.currentThread().join();
    }

    public String endpoint() {
        return "http://127.0.0.1:" + hub.getLocalPort();
    }

    public String cdn() {
        return "http://127.0.0.1:" + cdn.getLocalPort();
    }

    /// @return its commit
    public String add(String id, Path folder) {
        Map<String, byte[]> files = new TreeMap<>();
        try (Stream<Path> paths = Files.list(folder)) {
            for (Path path : paths.filter(Files::isRegularFile).toList()) {
                files.put(path.getFileName().toString(), Files.readAllBytes(path));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return add(id, files);
    }

    public String add(String id, Map<String, byte[]> files) {
        return put(id, files, false, false);
    }

    /// Answers to the right token alone, and says that there is a licence.
    public String addGated(String id, Map<String, byte[]> files) {
        return put(id, files, true, false);
    }

    /// Answers to the right token alone, and says that there is nothing.
    public String addPrivate(String id, Map<String, byte[]> files) {
        return put(id, files, false, true);
    }

    private String put(String id, Map<String, byte[]> files, boolean gated, boolean secret) {
        StringBuilder tree = new StringBuilder();
        new TreeMap<>(files).forEach((path, content) -> tree.append(path).append(oid(content)));
        String commit = sha("SHA-1", tree.toString().getBytes(StandardCharsets.UTF_8));
        repositories.put(id, new Repository(id, commit, new TreeMap<>(files), gated, secret));
        return commit;
    }

    /// The token that opens what is gated or private.
    public void setToken(String token) {
        this.token = token;
    }

    /// File names that a hostile hub adds to its answer.
    public void alsoList(String... siblings) {
        moreSiblings = List.of(siblings);
    }

    /// Lists one file a page.
    public void listInPages() {
        pages = true;
    }

    public void setRate(long bytesPerSecond) {
        this.bytesPerSecond = bytesPerSecond;
    }

    // --- faults: each for one request whose host and path end so, in the order they were given ---

    /// @param where the end of `hub/…path` or `cdn/…path`, or `hub` or `cdn` alone for any
    public void answer(String where, int status, String... headers) {
        Map<String, String> map = new LinkedHashMap<>();
        for (int i = 0; i < headers.length; i += 2) {
            map.put(headers[i], headers[i + 1]);
        }
        fault(where, new Fault(status, map, -1, -1, false, false, null, 0));
    }

    /// Closes the connection after so many bytes of the answer, head included.
    public void cut(String where, int bytes) {
        fault(where, new Fault(0, Map.of(), bytes, -1, false, false, null, 0));
    }

    /// Sends the file from its beginning, whatever was asked for, and closes after so many bytes.
    public void cutAnew(String where, int bytes) {
        fault(where, new Fault(0, Map.of(), bytes, -1, true, false, null, 0));
    }

    /// Sends nothing more after so many bytes of the answer, and keeps the connection.
    public void stall(String where, int bytes) {
        fault(where, new Fault(0, Map.of(), -1, bytes, false, false, null, 0));
    }

    /// Sends all of the file, whatever range was asked for.
    public void ignoreRange(String where) {
        fault(where, new Fault(0, Map.of(), -1, -1, true, false, null, 0));
    }

    /// Sends from another place than asked for.
    public void sendAnotherRange(String where) {
        fault(where, new Fault(0, Map.of(), -1, -1, false, true, null, 0));
    }

    /// Sends something else, of any size.
    public void sendInstead(String where, byte[] content) {
        fault(where, new Fault(0, Map.of(), -1, -1, false, false, content, 0));
    }

    /// Drips.
    public void slow(String where, long bytesPerSecond) {
        fault(where, new Fault(0, Map.of(), -1, -1, false, false, null, bytesPerSecond));
    }

    private void fault(String where, Fault fault) {
        faults.computeIfAbsent(where, key -> new ConcurrentLinkedDeque<>()).add(fault);
    }

    /// Every request so far.
    public List<Request> requests() {
        return List.copyOf(requests);
    }

    public List<Request> requests(String host) {
        return requests.stream().filter(request -> request.host().equals(host)).toList();
    }

    /// How many downloads there were at the same time.
    public int mostDownloadsAtOnce() {
        return cdnMost.get();
    }

    public void forget() {
        requests.clear();
    }

    /// Git's id.
    public static String oid(byte[] content) {
        byte[] head = ("blob " + content.length + "\0").getBytes(StandardCharsets.US_ASCII);
        byte[] all = Arrays.copyOf(head, head.length + content.length);
        System.arraycopy(content, 0, all, head.length, content.length);
        return sha("SHA-1", all);
    }

    public static String sha256(byte[] content) {
        return sha("SHA-256", content);
    }

    private static String sha(String algorithm, byte[] content) {
        return HexFormat.of().formatHex(HubCache.digest(algorithm).digest(content));
    }

    /// What the real hub keeps outside git.
    static boolean isLarge(String path) {
        return path.endsWith(".safetensors")
                || path.endsWith(".bin")
                || path.endsWith(".model")
                || path.endsWith(".gguf");
    }

    // --- the server ---

    private void serve(ServerSocket server, String host) {
        Thread.ofPlatform()
                .daemon()
                .name("fake-" + host)
                .start(() -> {
                    while (!server.isClosed()) {
                        try {
                            Socket socket = server.accept();
                            open.add(socket);
                            Thread.ofVirtual().start(() -> converse(socket, host));
                        } catch (SocketException e) {
                            return; // closed
                        } catch (IOException e) {
                            throw new UncheckedIOException(e);
                        }
                    }
                });
    }

    private void converse(Socket socket, String host) {
        try (socket) {
            Request request = read(new BufferedInputStream(socket.getInputStream()), host);
            if (request == null) {
                return;
            }
            requests.add(request);
            Fault fault = next(request);
            byte[] answer = fault.status() != 0 ? failed(fault) : respond(request, fault);
            if (host.equals("cdn")) {
                cdnMost.accumulateAndGet(cdnNow.incrementAndGet(), Math::max);
            }
            try {
                send(socket, answer, fault);
            } finally {
                if (host.equals("cdn")) {
                    cdnNow.decrementAndGet();
                }
            }
        } catch (IOException e) {
            // The other side has gone: its right.
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            open.remove(socket);
        }
    }

    private Fault next(Request request) {
        for (String where : List.of(request.host() + request.path(), request.host())) {
            for (Map.Entry<String, Deque<Fault>> entry : faults.entrySet()) {
                if (where.endsWith(entry.getKey())) {
                    Fault fault = entry.getValue().poll();
                    if (fault != null) {
                        return fault;
                    }
                }
            }
        }
        return Fault.NONE;
    }

    private void send(Socket socket, byte[] answer, Fault fault)
            throws IOException, InterruptedException {
        OutputStream out = socket.getOutputStream();
        int end = answer.length;
        if (fault.cutAfter() >= 0) {
            end = Math.min(end, fault.cutAfter());
        }
        if (fault.stallAfter() >= 0) {
            end = Math.min(end, fault.stallAfter());
        }
        long rate = fault.bytesPerSecond() > 0 ? fault.bytesPerSecond() : bytesPerSecond;
        if (rate == 0 || answer.length < 1000) {
            out.write(answer, 0, end);
        } else {
            int step = (int) Math.max(1, rate / 50);
            for (int from = 0; from < end; from += step) {
                out.write(answer, from, Math.min(step, end - from));
                out.flush();
                Thread.sleep(20);
            }
        }
        out.flush();
        if (fault.stallAfter() >= 0) {
            socket.getInputStream().transferTo(OutputStream.nullOutputStream());
        }
    }

    private static byte[] failed(Fault fault) {
        return answer(fault.status(), fault.headers(), new byte[0], true);
    }

    private static Request read(InputStream in, String host) throws IOException {
        String first = line(in);
        if (first == null) {
            return null;
        }
        String[] parts = first.split(" ");
        Map<String, String> headers = new LinkedHashMap<>();
        for (String line = line(in); line != null && !line.isEmpty(); line = line(in)) {
            int colon = line.indexOf(':');
            headers.put(
                    line.substring(0, colon).toLowerCase(Locale.ROOT),
                    line.substring(colon + 1).strip());
        }
        URI target = URI.create(parts[1]);
        return new Request(
                host,
                parts[0],
                target.getRawPath(),
                target.getRawQuery() == null ? "" : target.getRawQuery(),
                headers);
    }

    private static String line(InputStream in) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int b = in.read(); b != '\n'; b = in.read()) {
            if (b < 0) {
                return null;
            }
            if (b != '\r') {
                line.write(b);
            }
        }
        return line.toString(StandardCharsets.UTF_8);
    }

    private byte[] respond(Request request, Fault fault) {
        boolean body = !request.method().equals("HEAD");
        if (request.host().equals("cdn")) {
            return cdn(request, fault, body);
        }
        String path = URLDecoder.decode(request.path(), StandardCharsets.UTF_8);
        if (path.startsWith("/api/models/")) {
            if (fault.content() != null) {
                return answer(200, Map.of(), fault.content(), body);
            }
            return api(request, path.substring("/api/models/".length()), body);
        }
        int resolve = path.indexOf("/resolve/");
        if (resolve < 0) {
            return error(404, "EntryNotFound", "no such page", body);
        }
        return resolve(request, path, resolve, fault, body);
    }

    private byte[] resolve(Request request, String path, int at, Fault fault, boolean body) {
        Repository repository = repositories.get(path.substring(1, at));
        byte[] refusal = refusal(request, repository, true, body);
        if (refusal != null) {
            return refusal;
        }
        String rest = path.substring(at + "/resolve/".length());
        String revision = rest.substring(0, rest.indexOf('/'));
        String file = rest.substring(rest.indexOf('/') + 1);
        if (!knows(repository, revision)) {
            return error(404, "RevisionNotFound", "Invalid rev id: " + revision, body);
        }
        byte[] content = repository.files().get(file);
        if (content == null) {
            return error(404, "EntryNotFound", "Entry not found", body);
        }
        Map<String, String> headers = new LinkedHashMap<>();
        headers.put("X-Repo-Commit", repository.commit());
        if (isLarge(file)) {
            headers.put("X-Linked-Etag", "\"" + sha256(content) + "\"");
            headers.put("X-Linked-Size", Integer.toString(content.length));
            headers.put("ETag", "\"" + sha256(content) + "\"");
            headers.put(
                    "Location",
                    "%s/%s/%s?signature=secret-of-the-link"
                            .formatted(cdn(), sha256(content), file));
            return answer(302, headers, new byte[0], body);
        }
        headers.put("ETag", "\"" + oid(content) + "\"");
        return content(request, content, headers, fault, body);
    }

    private byte[] cdn(Request request, Fault fault, boolean body) {
        if (!request.query().contains("signature=secret-of-the-link")) {
            return answer(403, Map.of(), "<Error>".getBytes(StandardCharsets.UTF_8), body);
        }
        for (Repository repository : repositories.values()) {
            for (byte[] content : repository.files().values()) {
                if (request.path().startsWith("/" + sha256(content) + "/")) {
                    return content(
                            request,
                            content,
                            new LinkedHashMap<>(Map.of("ETag", "\"cdn-" + oid(content) + "\"")),
                            fault,
                            body);
                }
            }
        }
        return answer(404, Map.of(), new byte[0], body);
    }

    private static byte[] content(
            Request request,
            byte[] stored,
            Map<String, String> headers,
            Fault fault,
            boolean body) {
        byte[] content = fault.content() != null ? fault.content() : stored;
        headers.put("Accept-Ranges", "bytes");
        String range = request.header("range");
        String ifRange = request.header("if-range");
        boolean same = ifRange == null || ifRange.equals(headers.get("ETag"));
        if (range == null || fault.ignoreRange() || !same) {
            return answer(200, headers, content, body);
        }
        int from = Integer.parseInt(range.replaceAll("bytes=(\\d+)-.*", "$1"));
        if (from >= content.length) {
            headers.put("Content-Range", "bytes */" + content.length);
            return answer(416, headers, new byte[0], body);
        }
        int begin = fault.otherRange() ? from / 2 : from;
        headers.put(
                "Content-Range",
                "bytes %d-%d/%d".formatted(begin, content.length - 1, content.length));
        return answer(206, headers, Arrays.copyOfRange(content, begin, content.length), body);
    }

    private byte[] api(Request request, String path, boolean body) {
        String id =
                repositories.keySet().stream()
                        .filter(known -> path.equals(known) || path.startsWith(known + "/"))
                        .findFirst()
                        .orElse(null);
        Repository repository = id == null ? null : repositories.get(id);
        byte[] refusal = refusal(request, repository, false, body);
        if (refusal != null) {
            return refusal;
        }
        String rest = path.substring(id.length());
        if (rest.startsWith("/tree/")) {
            return tree(request, repository, rest.substring("/tree/".length()), body);
        }
        String revision =
                rest.startsWith("/revision/") ? rest.substring("/revision/".length()) : "main";
        if (!knows(repository, revision)) {
            return error(404, "RevisionNotFound", "Invalid rev id: " + revision, body);
        }
        List<String> siblings = new ArrayList<>(repository.files().keySet());
        siblings.addAll(moreSiblings);
        String json =
                """
                {"_id":"1","id":"%s","modelId":"%s","sha":"%s","private":%s,"gated":%s,"disabled":false,
                 "tags":[],"downloads":0,"likes":0,"lastModified":"2024-01-01T00:00:00.000Z",
                 "createdAt":"2024-01-01T00:00:00.000Z","siblings":[%s]}\
                """
                        .formatted(
                                id,
                                id,
                                repository.commit(),
                                repository.secret(),
                                repository.gated() ? "\"manual\"" : "false",
                                String.join(
                                        ",",
                                        siblings.stream()
                                                .map(s -> "{\"rfilename\":\"" + s + "\"}")
                                                .toList()));
        return json(json, Map.of(), body);
    }

    /// The files of one folder and the folders in it.
    ///
    /// @param place a revision, or `REVISION/FOLDER`
    private byte[] tree(Request request, Repository repository, String place, boolean body) {
        int slash = place.indexOf('/');
        String revision = slash < 0 ? place : place.substring(0, slash);
        String folder = slash < 0 ? "" : place.substring(slash + 1) + "/";
        if (!knows(repository, revision)) {
            return error(404, "RevisionNotFound", "Invalid rev id: " + revision, body);
        }
        List<String> entries = new ArrayList<>();
        TreeSet<String> folders = new TreeSet<>();
        Map<String, byte[]> here = new TreeMap<>();
        repository
                .files()
                .forEach((path, content) -> {
                    int next = path.indexOf('/', folder.length());
                    if (path.startsWith(folder) && next >= 0) {
                        folders.add(path.substring(0, next));
                    } else if (path.startsWith(folder)) {
                        here.put(path, content);
                    }
                });
        if (folder.isEmpty()) {
            folders.add("onnx");
        }
        for (String each : folders) {
            entries.add(
                    "{\"type\":\"directory\",\"oid\":\"%s\",\"size\":0,\"path\":\"%s\"}"
                            .formatted("0".repeat(40), each));
        }
        here.forEach((path, content) ->
                entries.add(
                        isLarge(path)
                                ? """
                                {"type":"file","oid":"%s","size":%d,"path":"%s","lfs":{"oid":"%s","size":%d,"pointerSize":134}}\
                                """
                                        .formatted(
                                                oid(new byte[0]),
                                                content.length,
                                                path,
                                                sha256(content),
                                                content.length)
                                : "{\"type\":\"file\",\"oid\":\"%s\",\"size\":%d,\"path\":\"%s\"}"
                                        .formatted(oid(content), content.length, path)));
        if (!pages) {
            return json("[" + String.join(",", entries) + "]", Map.of(), body);
        }
        int page =
                request.query().contains("cursor=")
                        ? Integer.parseInt(request.query().replaceAll(".*cursor=(\\d+).*", "$1"))
                        : 0;
        Map<String, String> headers =
                page + 1 < entries.size()
                        ? Map.of(
                                "Link",
                                "<%s%s?recursive=false&cursor=%d>; rel=\"next\""
                                        .formatted(endpoint(), request.path(), page + 1))
                        : Map.of();
        return json("[" + entries.get(page) + "]", headers, body);
    }

    private static boolean knows(Repository repository, String revision) {
        return revision.equals("main") || revision.equals(repository.commit());
    }

    /// As the real hub says no: who may not see a repository learns nothing of it; a gated one can
    /// be seen, and its files not be read.
    private byte[] refusal(Request request, Repository repository, boolean files, boolean body) {
        String said = request.header("authorization");
        boolean known = said != null && said.equals("Bearer " + token);
        if (said != null && token != null && !known && said.contains("bad")) {
            return error(401, null, "Invalid credentials in Authorization header", body);
        }
        if (repository == null || repository.secret() && !known) {
            return error(
                    said == null ? 401 : 404,
                    "RepoNotFound",
                    said == null ? "Invalid username or password." : "Repository not found",
                    body);
        }
        if (repository.gated() && files && !known) {
            return error(
                    said == null ? 401 : 403,
                    "GatedRepo",
                    "Access to model %s is restricted.".formatted(repository.id()),
                    body);
        }
        return null;
    }

    private static byte[] error(int status, String code, String message, boolean body) {
        Map<String, String> headers = new LinkedHashMap<>();
        if (code != null) {
            headers.put("X-Error-Code", code);
        }
        headers.put("X-Error-Message", message);
        headers.put("Content-Type", "application/json");
        byte[] text = ("{\"error\":\"" + message + "\"}").getBytes(StandardCharsets.UTF_8);
        return answer(status, headers, text, body);
    }

    private static byte[] json(String json, Map<String, String> more, boolean body) {
        Map<String, String> headers = new LinkedHashMap<>(more);
        headers.put("Content-Type", "application/json; charset=utf-8");
        return answer(200, headers, json.getBytes(StandardCharsets.UTF_8), body);
    }

    private static byte[] answer(
            int status, Map<String, String> headers, byte[] content, boolean body) {
        StringBuilder head = new StringBuilder("HTTP/1.1 " + status + " Said\r\n");
        headers.forEach((name, value) -> head.append(name + ": " + value + "\r\n"));
        head.append("Content-Length: " + content.length + "\r\nConnection: close\r\n\r\n");
        byte[] bytes = head.toString().getBytes(StandardCharsets.UTF_8);
        byte[] all = Arrays.copyOf(bytes, bytes.length + (body ? content.length : 0));
        if (body) {
            System.arraycopy(content, 0, all, bytes.length, content.length);
        }
        return all;
    }

    @Override
    public void close() {
        try {
            hub.close();
            cdn.close();
            for (Socket socket : open) {
                socket.close();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
