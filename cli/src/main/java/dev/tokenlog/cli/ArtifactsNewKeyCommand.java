package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.provenance.Algorithm;
import dev.tokenlog.artifactstore.provenance.SigningKey;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "new-key",
        description =
                "Makes a key pair that signs the provenance of artifacts: FILE, which only you may read, and"
                        + " FILE.pub for those who check.")
final class ArtifactsNewKeyCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            description =
                    "The private key (default: keys/signing.pem in the data folder, where the platform"
                            + " finds it).")
    private Path file;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Data folder (default: $$TOKENLOG_HOME, else the XDG data folder).")
    private Path data;

    @Option(
            names = "--algorithm",
            paramLabel = "NAME",
            defaultValue = "ecdsa-p256",
            description = "ecdsa-p256 or ed25519 (default: ecdsa-p256).")
    private String algorithm;

    @Override
    public Integer call() {
        Path target =
                (file != null ? file : SigningKey.defaultFile(ConnectionOptions.dataFolder(data)))
                        .toAbsolutePath()
                        .normalize();
        SigningKey key = SigningKey.create(target, chosen());
        Path publicFile = SigningKey.publicFile(target);
        if (output.json) {
            ObjectNode node = Json.object().put("key_id", key.publicKey().id());
            node.put("private_key", target.toString()).put("public_key", publicFile.toString());
            common.terminal().line(Json.text(node));
        } else {
            common.terminal().line(key.publicKey().id());
            common.terminal()
                    .err("%s signs, %s is for those who check".formatted(target, publicFile));
        }
        return ExitStatus.DONE;
    }

    private Algorithm chosen() {
        return Arrays.stream(Algorithm.values())
                .filter(known -> known.label().equals(algorithm))
                .findFirst()
                .orElseThrow(() ->
                        new CommandFailure(
                                ExitStatus.USAGE,
                                "--algorithm %s: expected %s"
                                        .formatted(
                                                algorithm,
                                                Arrays.stream(Algorithm.values())
                                                        .map(Algorithm::label)
                                                        .collect(Collectors.joining(" or ")))));
    }
}
