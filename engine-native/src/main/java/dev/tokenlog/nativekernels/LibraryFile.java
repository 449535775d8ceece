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
import java.util.HexFormat;
import java.util.Properties;

/// Where the library lies: where a property says, beside the classes, or unpacked from the jar into
/// a cache under its digest.
final class LibraryFile {

    /// Names a library that was built elsewhere.
    static final String LIBRARY_KEY = "tokenlog.native.library";

    /// Where libraries are unpacked; otherwise `.cache/tokenlog/native` in the user's home.
    static final String CACHE_KEY = "tokenlog.native.cache";

    private static final String NAME = "libtokenlog.so";
    private static final String REPORT = "build.properties";
    private static final String INSTALL_COMPILER =
            "install gcc or clang (Debian: apt-get install gcc libc6-dev) and build Tokenlog again";

    private LibraryFile() {}

    /// Finds the library and loads it.
    static NativeLibrary.Result load() {
        String named = System.getProperty(LIBRARY_KEY);
        if (named != null) {
            return NativeLibrary.open(Path.of(named).toAbsolutePath());
        }
        URL resource = LibraryFile.class.getResource(NAME);
        try {
            return resource == null
                    ? new NativeLibrary.Missing(whyNotBuilt(), INSTALL_COMPILER)
                    : NativeLibrary.open(file(resource, cache()));
        } catch (IOException failure) {
            return new NativeLibrary.Missing(
                    "the library cannot be unpacked: " + failure,
                    "name a folder that can be written to with -D" + CACHE_KEY + "=…");
        }
    }

    private static String whyNotBuilt() throws IOException {
        try (InputStream report = LibraryFile.class.getResourceAsStream(REPORT)) {
            if (report == null) {
                return "the library was not built";
            }
            Properties properties = new Properties();
            properties.load(report);
            return properties.getProperty("missing", "the library was not built");
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
            Path unfinished = Files.createTempFile(file.getParent(), NAME, ".unfinished");
            Files.write(unfinished, bytes);
            Files.move(unfinished, file, StandardCopyOption.ATOMIC_MOVE);
        }
        return file.toAbsolutePath();
    }

    private static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
