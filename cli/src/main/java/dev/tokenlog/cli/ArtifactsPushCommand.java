package dev.tokenlog.cli;

import dev.tokenlog.artifactstore.object.RemoteArtifacts;
import dev.tokenlog.engine.artifact.Artifact;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "push",
        description =
                "Brings an artifact, every byte checked, to the store that several machines share."
                        + " What an attempt before has brought is gone on with.")
final class ArtifactsPushCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private StoreOptions options;
    @Mixin private ObjectStoreOptions objects;

    @Option(
            names = "--mend",
            description =
                    "Read what is there already, compare every byte, and bring again what differs"
                            + " (default: what is there by name and size stays).")
    private boolean mend;

    @Parameters(paramLabel = "DIGEST", description = "A model digest, sha256-...")
    private String digest;

    @Override
    public Integer call() {
        String address = moved();
        common.terminal()
                .line(
                        output.json
                                ? Json.text(
                                        Json.object().put("digest", digest).put("address", address))
                                : address);
        return ExitStatus.DONE;
    }

    private void sayMended(String object) {
        common.terminal().err(object + ": was damaged, and is replaced");
    }

    private String moved() {
        try (RemoteArtifacts remote = objects.require();
                Artifact artifact = options.open().open(digest, true)) {
            return mend
                    ? remote.mend(artifact, () -> {}, this::sayMended)
                    : remote.publish(artifact, () -> {});
        }
    }
}
