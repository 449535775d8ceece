package dev.tokenlog.artifactstore.provenance;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.util.List;
import java.util.Set;

/// A key pair in two PEM files: `NAME`, which only its owner may read, and `NAME.pub`.
public final class SigningKey {

    private static final Set<PosixFilePermission> OWNER_ONLY =
            PosixFilePermissions.fromString("rw-------");

    private final PrivateKey key;
    private final TrustedKey publicKey;

    private SigningKey(PrivateKey key, TrustedKey publicKey) {
        this.key = key;
        this.publicKey = publicKey;
    }

    /// Where the key of a data folder lies.
    public static Path defaultFile(Path data) {
        return data.resolve("keys").resolve("signing.pem");
    }

    /// The public half's file, which is given away.
    public static Path publicFile(Path file) {
        return file.resolveSibling(file.getFileName() + ".pub");
    }

    /// Makes a new pair. Nothing is ever overwritten: what an older key signed could not be checked
    /// any more.
    public static SigningKey create(Path file, Algorithm algorithm) {
        KeyPair pair = algorithm.generate();
        Path publicFile = publicFile(file);
        try {
            if (Files.exists(publicFile)) {
                throw new FileAlreadyExistsException(publicFile.toString());
            }
            Path folder = file.toAbsolutePath().getParent();
            if (folder != null) {
                Files.createDirectories(folder);
            }
            write(file, Pem.text(Pem.PRIVATE, pair.getPrivate().getEncoded()), ownerOnly(file));
            write(publicFile, Pem.text(Pem.PUBLIC, pair.getPublic().getEncoded()));
        } catch (FileAlreadyExistsException e) {
            throw new EngineException(
                    Reason.PARAMETER_OUT_OF_RANGE,
                    e.getMessage() + ": there is a key already; it is not replaced",
                    e);
        } catch (IOException e) {
            throw new EngineException(
                    Reason.STORAGE_FAILED, file + ": cannot be written: " + e.getMessage(), e);
        }
        return new SigningKey(pair.getPrivate(), TrustedKey.of(pair.getPublic()));
    }

    private static FileAttribute<?>[] ownerOnly(Path file) {
        boolean posix = file.getFileSystem().supportedFileAttributeViews().contains("posix");
        return posix
                ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(OWNER_ONLY)}
                : new FileAttribute<?>[0];
    }

    private static void write(Path file, String text, FileAttribute<?>... attributes)
            throws IOException {
        try (var channel =
                Files.newByteChannel(
                        file,
                        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                        attributes)) {
            channel.write(java.nio.ByteBuffer.wrap(text.getBytes(StandardCharsets.US_ASCII)));
        }
    }

    /// @throws EngineException if either file is missing or broken, if they do not belong together,
    ///   or if others may read the private one
    public static SigningKey read(Path file) {
        requireSecret(file);
        PrivateKey key = Pem.privateKey(file);
        List<TrustedKey> keys = TrustedKey.read(List.of(publicFile(file)));
        if (keys.size() != 1) {
            throw refused(publicFile(file) + ": expected one key");
        }
        SigningKey pair = new SigningKey(key, keys.getFirst());
        byte[] trial = "do these halves belong together?".getBytes(StandardCharsets.US_ASCII);
        if (!pair.belongsTogether(trial)) {
            throw refused(publicFile(file) + ": is not the public half of " + file);
        }
        return pair;
    }

    private boolean belongsTogether(byte[] trial) {
        try {
            byte[] signed = publicKey.algorithm().sign(key, trial);
            return publicKey.algorithm().verify(publicKey.key(), trial, signed);
        } catch (GeneralSecurityException e) {
            return false; // of two algorithms
        }
    }

    private static void requireSecret(Path file) {
        InputFiles.requireRegular(file);
        try {
            if (!file.getFileSystem().supportedFileAttributeViews().contains("posix")) {
                return;
            }
            Set<PosixFilePermission> permissions = Files.getPosixFilePermissions(file);
            boolean secret =
                    permissions.stream()
                            .allMatch(permission -> permission.name().startsWith("OWNER_"));
            if (!secret) {
                throw refused(
                        "%s: its permissions are %s, so others may read the private key; chmod 600 %s"
                                .formatted(
                                        file,
                                        PosixFilePermissions.toString(permissions),
                                        file.getFileName()));
            }
        } catch (IOException e) {
            throw InputFiles.unreadable(file, e);
        }
    }

    private static EngineException refused(String message) {
        return new EngineException(Reason.SOURCE_UNREADABLE, message);
    }

    public TrustedKey publicKey() {
        return publicKey;
    }

    byte[] sign(byte[] message) {
        try {
            return publicKey.algorithm().sign(key, message);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this key has signed before", e);
        }
    }
}
