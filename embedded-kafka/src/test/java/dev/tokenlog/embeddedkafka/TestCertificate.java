package dev.tokenlog.embeddedkafka;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.TimeUnit;

/// A key with a certificate of its own for a broker on this machine, made by the JDK's `keytool`
/// when a test asks for it: no key is committed.
///
/// @param keystore PKCS#12
/// @param certificate PEM
public record TestCertificate(Path keystore, String password, Path certificate) {

    /// @param name of the files
    public static TestCertificate in(Path folder, String name) {
        String password = UUID.randomUUID().toString();
        Path keystore = folder.resolve(name + ".p12");
        Path certificate = folder.resolve(name + ".pem");
        keytool(
                password,
                "-genkeypair -alias broker -keyalg EC -groupname secp256r1 -validity 2 -dname CN=broker"
                        + " -ext SAN=ip:127.0.0.1,dns:localhost -storetype PKCS12 -keystore "
                        + keystore);
        keytool(
                password,
                "-exportcert -alias broker -rfc -keystore %s -file %s"
                        .formatted(keystore, certificate));
        return new TestCertificate(keystore, password, certificate);
    }

    public BrokerSecurity security(Map<String, String> users, Set<String> superUsers) {
        return new BrokerSecurity(keystore, password, certificate, users, superUsers);
    }

    private static void keytool(String password, String arguments) {
        try {
            Path said = Files.createTempFile("keytool", ".txt");
            Process process =
                    new ProcessBuilder(command(arguments))
                            .redirectErrorStream(true)
                            .redirectOutput(said.toFile())
                            .start();
            try (var in = process.outputWriter()) {
                // Asked for, and asked for again; never on a command line.
                in.write(password + "\n" + password + "\n");
            }
            if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new AssertionError("keytool failed: " + Files.readString(said));
            }
            Files.delete(said);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        }
    }

    private static List<String> command(String arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "keytool").toString());
        command.add("-J-XX:TieredStopAtLevel=1");
        command.addAll(List.of(arguments.split(" ")));
        return command;
    }
}
