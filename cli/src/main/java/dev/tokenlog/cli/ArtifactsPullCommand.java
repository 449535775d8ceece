package dev.tokenlog.cli;

import dev.tokenlog.artifactstore.object.RemoteArtifacts;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "pull",
        description =
                "Fetches an artifact from the store that several machines share, and checks every byte."
                        + " What an attempt before has brought is gone on with.")
final class ArtifactsPullCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private StoreOptions options;
    @Mixin private ObjectStoreOptions objects;

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

    private String moved() {
        try (RemoteArtifacts remote = objects.require()) {
            return remote.fetch(digest, options.open()).toString();
        }
    }
}
