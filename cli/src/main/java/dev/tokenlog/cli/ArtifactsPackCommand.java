package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.pack.PackedArtifact;
import dev.tokenlog.engine.artifact.Artifact;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "pack",
        description =
                "Writes an artifact, every byte checked, into one compressed file for cold storage, without"
                        + " loss.")
final class ArtifactsPackCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private StoreOptions options;

    @Parameters(paramLabel = "DIGEST", description = "A model digest, sha256-...")
    private String digest;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            description = "The packed file (default: DIGEST.tlpack in this folder).")
    private Path out;

    @Override
    public Integer call() {
        try (Artifact artifact = options.open().open(digest, true)) {
            PackedArtifact.Packed packed =
                    PackedArtifact.pack(artifact, out != null ? out : Path.of(digest + ".tlpack"));
            if (output.json) {
                ObjectNode node = Json.object().put("file", packed.file().toString());
                node.put("bytes", packed.bytes()).put("packed_bytes", packed.packedBytes());
                node.put("tensor_bytes", packed.tensorBytes());
                node.put("packed_tensor_bytes", packed.packedTensorBytes());
                node.put("entropy_bytes", packed.entropyBytes());
                common.terminal().line(Json.text(node));
            } else {
                common.terminal().line(packed.file().toString());
                common.terminal().err(said(packed));
            }
        }
        return ExitStatus.DONE;
    }

    private static String said(PackedArtifact.Packed packed) {
        return "%.1f MB became %.1f MB; of the tensors %.1f %% remain, %.1f %% is the entropy of their bytes"
                .formatted(
                        packed.bytes() / 1e6,
                        packed.packedBytes() / 1e6,
                        100.0 * packed.packedTensorBytes() / packed.tensorBytes(),
                        100.0 * packed.entropyBytes() / packed.tensorBytes());
    }
}
