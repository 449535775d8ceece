package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.object.RemoteArtifacts;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.StoreUsage;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "gc",
        description =
                "Deletes artifacts that no manifest and no registry entry names any more, on this machine and,"
                        + " with --object-store-url, in the store that several machines share.")
final class ArtifactsGcCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;
    @Mixin private ObjectStoreOptions objects;

    @Option(
            names = "--store",
            paramLabel = "DIR",
            description =
                    "The folder that holds the artifacts' folders (default: artifacts/ in the data"
                            + " folder).")
    private Path folder;

    @Option(names = "--dry-run", description = "List what would be deleted, and delete nothing.")
    private boolean dryRun;

    @Option(
            names = "--grace-hours",
            paramLabel = "HOURS",
            defaultValue = "24",
            description =
                    "Younger artifacts stay: their conversion may be about to name them (default: 24).")
    private double graceHours;

    @Option(
            names = "--all-unnamed",
            description =
                    "Go on where the log names less than half of a store's artifacts and no gc has noted"
                            + " whose it is. Without it that is taken for the wrong cluster.")
    private boolean allUnnamed;

    /// An artifact in one of the stores.
    private interface Candidate {
        String digest();

        String place();

        long bytes();

        Instant newest();

        boolean delete(Instant notAfter);
    }

    private record Local(ArtifactStore store, String digest, long bytes, Instant newest)
            implements Candidate {
        @Override
        public String place() {
            return store.root().toString();
        }

        @Override
        public boolean delete(Instant notAfter) {
            return store.delete(digest, notAfter);
        }
    }

    private record Remote(RemoteArtifacts store, RemoteArtifacts.Stored stored)
            implements Candidate {
        @Override
        public String digest() {
            return stored.digest();
        }

        @Override
        public String place() {
            return store.address("");
        }

        @Override
        public long bytes() {
            return stored.bytes();
        }

        @Override
        public Instant newest() {
            return stored.newest();
        }

        @Override
        public boolean delete(Instant notAfter) {
            return store.delete(digest(), notAfter);
        }
    }

    @Override
    public Integer call() {
        if (!(graceHours >= 0 && graceHours < 1e6)) {
            throw new CommandFailure(ExitStatus.USAGE, "--grace-hours: at least 0 is expected");
        }
        Instant notAfter = Instant.now().minus(Duration.ofSeconds((long) (graceHours * 3600)));
        Optional<RemoteArtifacts> remote = objects.open();
        try (RemoteArtifacts _ = remote.orElse(null)) {
            // Listed before the log is read: what is named meanwhile is seen there.
            ArtifactStore here = here();
            List<Candidate> present = present(here, remote);
            Log log = log();
            List<Owned> stores = stores(here, remote);
            requireRightCluster(present, log, stores);
            List<Candidate> garbage =
                    present.stream()
                            .filter(each -> !log.named().contains(each.digest()))
                            .filter(each -> !each.newest().isAfter(notAfter))
                            .toList();
            if (!dryRun) {
                stores.stream()
                        .filter(store ->
                                present.stream().anyMatch(a -> a.place().equals(store.place())))
                        .filter(store -> store.owner().get().isEmpty())
                        .forEach(store -> store.claim().accept(log.clusterId()));
            }
            report(present.size(), garbage.stream().filter(each -> gone(each, notAfter)).toList());
            return ExitStatus.DONE;
        }
    }

    private boolean gone(Candidate each, Instant notAfter) {
        return dryRun || each.delete(notAfter);
    }

    private record Log(String clusterId, Set<String> named) {}

    private Log log() {
        try (TokenlogClient client = connection.connect()) {
            return new Log(client.clusterId(), client.namedDigests());
        }
    }

    private ArtifactStore here() {
        return new ArtifactStore(folder != null ? folder : connection.data().resolve("artifacts"));
    }

    /// Each store by itself. Whose it is stands in a note that the first gc leaves; before that,
    /// one of which this log names little may belong to another cluster.
    private void requireRightCluster(List<Candidate> present, Log log, List<Owned> stores) {
        for (Owned store : stores) {
            List<Candidate> artifacts =
                    present.stream().filter(each -> each.place().equals(store.place())).toList();
            Optional<String> owner = store.owner().get();
            if (owner.isPresent()) {
                requireSame(owner.get(), log.clusterId(), store);
                continue;
            }
            long named =
                    artifacts.stream().filter(each -> log.named().contains(each.digest())).count();
            if (2 * named < artifacts.size() && !allUnnamed) {
                throw CommandFailure.no(
                        "the log names %d of the %d artifacts in %s: is it the right cluster? --all-unnamed goes on"
                                .formatted(named, artifacts.size(), store.place()));
            }
        }
    }

    private static void requireSame(String owner, String clusterId, Owned store) {
        if (!owner.equals(clusterId)) {
            throw CommandFailure.no(
                    "%s belongs to the cluster '%s' and this is '%s', not the right cluster to say what is garbage there (if that cluster is no more: delete the note %s)"
                            .formatted(store.place(), owner, clusterId, store.note()));
        }
    }

    /// A store and the note of whose it is.
    private record Owned(
            String place, String note, Supplier<Optional<String>> owner, Consumer<String> claim) {}

    private List<Owned> stores(ArtifactStore here, Optional<RemoteArtifacts> remote) {
        List<Owned> stores = new ArrayList<>();
        stores.add(
                new Owned(
                        here.root().toString(),
                        here.ownerNote().toString(),
                        here::owner,
                        here::claim));
        remote.ifPresent(there ->
                stores.add(
                        new Owned(
                                there.address(""), there.ownerNote(), there::owner, there::claim)));
        return stores;
    }

    private static List<Candidate> present(ArtifactStore store, Optional<RemoteArtifacts> remote) {
        List<Candidate> present = new ArrayList<>();
        for (StoreUsage.Entry entry : store.usage().artifacts()) {
            store.lastPublished(entry.digest())
                    .ifPresent(time ->
                            present.add(
                                    new Local(
                                            store,
                                            entry.digest(),
                                            entry.bytes() - entry.sharedBytes(),
                                            time)));
        }
        remote.ifPresent(
                there -> there.list().forEach(stored -> present.add(new Remote(there, stored))));
        return present;
    }

    private void report(int present, List<Candidate> garbage) {
        long bytes = garbage.stream().mapToLong(Candidate::bytes).sum();
        if (output.json) {
            ObjectNode answer = Json.object().put("deleted", !dryRun).put("bytes", bytes);
            ArrayNode list = answer.putArray("artifacts");
            for (Candidate each : garbage) {
                list.addObject()
                        .put("digest", each.digest())
                        .put("place", each.place())
                        .put("bytes", each.bytes());
            }
            common.terminal().line(Json.text(answer));
            return;
        }
        for (Candidate each : garbage) {
            common.terminal()
                    .line(
                            "%s  %s  %.1f MB"
                                    .formatted(each.digest(), each.place(), each.bytes() / 1e6));
        }
        common.terminal()
                .err(
                        "%d of %d artifacts %s: %.1f MB"
                                .formatted(
                                        garbage.size(),
                                        present,
                                        dryRun ? "would be deleted" : "deleted",
                                        bytes / 1e6));
    }
}
