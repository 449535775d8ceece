package dev.tokenlog.cli;

import dev.tokenlog.artifactstore.pack.PackedArtifact;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "unpack",
        description =
                "Restores an artifact from its packed file, and compares every byte with the digests.")
final class ArtifactsUnpackCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private StoreOptions options;

    @Parameters(paramLabel = "FILE", description = "What 'artifacts pack' wrote.")
    private Path file;

    @Override
    public Integer call() {
        Path folder = PackedArtifact.unpack(file, options.open());
        common.terminal()
                .line(
                        output.json
                                ? Json.text(
                                        Json.object()
                                                .put("digest", folder.getFileName().toString())
                                                .put("location", folder.toString()))
                                : folder.toString());
        return ExitStatus.DONE;
    }
}
