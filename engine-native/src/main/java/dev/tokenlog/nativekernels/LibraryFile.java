package dev.tokenlog.nativekernels;

import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.stream.Stream;

/// Where the library lies: where a property says, beside the classes, or unpacked from the jar into
/// a cache under its digest. A cache that cannot be written to is passed over: the library is then
/// unpacked into a folder of its own, which goes as soon as it is loaded.
final class LibraryFile {

    /// Names a library that was built elsewhere.
    static final String LIBRARY_KEY = "tokenlog.native.library";

    /// Where libraries are unpacked; otherwise `.cache/tokenlog/native` in the user's home.
    static final String CACHE_KEY = "tokenlog.native.cache";

    private static final String NAME = "libtokenlog.so";
    private static final String REPORT = "build.properties";
    private static final String BUILD_HERE =
            "build Tokenlog on this machine (./mvnw package -DskipTests)";

    private LibraryFile() {}

    /// Finds the library and loads it, on a thread that nobody interrupts: reading a file ends when
    /// its thread is interrupted, and a process asks only once.
    static NativeLibrary.Result load() {
        FutureTask<NativeLibrary.Result> loading = new FutureTask<>(LibraryFile::find);
        Thread.ofPlatform().daemon().name("native-library").start(loading);
        boolean interrupted = false;
        try {
            while (true) {
                try {
                    return loading.get();
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    throw NativeLibrary.unexpected(e.getCause());
                }
            }
        } finally {
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private static NativeLibrary.Result find() {
        String named = System.getProperty(LIBRARY_KEY);
        if (named != null) {
            return NativeLibrary.open(Path.of(named).toAbsolutePath());
        }
        Platform platform = Platform.current();
        try {
            URL resource = LibraryFile.class.getResource(platform.label() + "/" + NAME);
            return resource == null ? notBuilt(platform) : load(resource, cache());
        } catch (IOException failure) {
            return new NativeLibrary.Missing(
                    "the library cannot be unpacked: " + failure,
                    "name a folder that can be written to with -D" + CACHE_KEY + "=…");
        }
    }

    private static NativeLibrary.Missing notBuilt(Platform platform) throws IOException {
        try (InputStream report = LibraryFile.class.getResourceAsStream(REPORT)) {
            Properties properties = new Properties();
            if (report != null) {
                properties.load(report);
            }
            return notBuilt(properties, platform);
        }
    }

    /// @param report what `build-library` left
    static NativeLibrary.Missing notBuilt(Properties report, Platform platform) {
        String built = report.getProperty("built");
        if (built != null) {
            return new NativeLibrary.Missing(
                    "the library was built for another machine (%s), this is %s"
                            .formatted(built, platform.label()),
                    BUILD_HERE);
        }
        return new NativeLibrary.Missing(
                report.getProperty("missing", "the library was not built"),
                platform.supported()
                        ? platform.installCompiler()
                                + ", then build Tokenlog again (./tokenlog does it by itself)"
                        : "nothing to do: kernels in C are for Linux on x86-64 and AArch64");
    }

    /// Loads a resource, wherever it lies.
    static NativeLibrary.Result load(URL resource, Path cache) throws IOException {
        Path file;
        try {
            file = file(resource, cache);
        } catch (IOException unusable) {
            return loadOnce(resource, unusable);
        }
        return NativeLibrary.open(file);
    }

    private static NativeLibrary.Result loadOnce(URL resource, IOException unusable)
            throws IOException {
        Path folder = null;
        try {
            folder = Files.createTempDirectory("tokenlog-native-");
            return NativeLibrary.open(file(resource, folder));
        } catch (IOException failure) {
            failure.addSuppressed(unusable);
            throw new IOException(unusable + "; " + failure, failure);
        } finally {
            if (folder != null) {
                delete(folder);
            }
        }
    }

    private static void delete(Path folder) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        }
    }

    private static Path cache() {
        String named = System.getProperty(CACHE_KEY);
        return named != null
                ? Path.of(named)
                : Path.of(System.getProperty("user.home"), ".cache", "tokenlog", "native");
    }

    /// The file itself, or its copy in the cache, which is looked at byte by byte before it is
    /// used.
    static Path file(URL resource, Path cache) throws IOException {
        if (resource.getProtocol().equals("file")) {
            try {
                return Path.of(new URI(resource.toString()));
            } catch (URISyntaxException e) {
                throw new IOException(e);
            }
        }
        byte[] bytes;
        try (InputStream stream = resource.openStream()) {
            bytes = stream.readAllBytes();
        }
        Path file = cache.resolve(sha256(bytes)).resolve(NAME);
        if (!Files.exists(file) || !Arrays.equals(Files.readAllBytes(file), bytes)) {
            Files.createDirectories(file.getParent());
            write(bytes, file);
        }
        return file.toAbsolutePath();
    }

    /// Under another name first, so that nobody loads half a library.
    private static void write(byte[] bytes, Path file) throws IOException {
        Path unfinished = Files.createTempFile(file.getParent(), NAME, ".unfinished");
        try {
            Files.write(unfinished, bytes);
            Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            Files.deleteIfExists(unfinished);
        }
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
