package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.provenance.ProvenanceFile;
import dev.tokenlog.artifactstore.provenance.SigningKey;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.Manifest;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "sign",
        description =
                "Checks every byte of an artifact that is there already and signs what its manifest says of"
                        + " its origin.")
final class ArtifactsSignCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private StoreOptions options;

    @Parameters(paramLabel = "DIGEST", description = "A model digest, sha256-...")
    private String digest;

    @Option(
            names = "--signing-key",
            paramLabel = "FILE",
            description =
                    "The private key, made by 'artifacts new-key' (default: keys/signing.pem in the data"
                            + " folder).")
    private Path key;

    @Override
    public Integer call() {
        SigningKey signer =
                SigningKey.read(key != null ? key : SigningKey.defaultFile(options.data()));
        try (Artifact artifact = options.open().open(digest, true)) {
            ProvenanceFile.Written written =
                    ProvenanceFile.sign(artifact, invocation(artifact.manifest()), signer);
            if (output.json) {
                ObjectNode node = Json.object().put("file", written.file().toString());
                node.put("sha256", written.sha256()).put("key_id", written.key().id());
                common.terminal().line(Json.text(node));
            } else {
                common.terminal().line(written.file().toString());
            }
        }
        return ExitStatus.DONE;
    }

    /// Nobody knows any more when it was made and for whom.
    private static ProvenanceFile.Invocation invocation(Manifest manifest) {
        Manifest.Source source = manifest.source();
        return new ProvenanceFile.Invocation(
                source.repository() + (source.revision() == null ? "" : "@" + source.revision()),
                null,
                null,
                null,
                null);
    }
}
