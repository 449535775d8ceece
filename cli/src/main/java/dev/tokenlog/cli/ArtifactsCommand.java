package dev.tokenlog.cli;

import dev.tokenlog.engine.artifact.StoreUsage;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "artifacts",
        description =
                "The converted models that lie in a folder, what they take, and which files several share."
                        + " Without a broker.",
        subcommands = {
            ArtifactsVerifyCommand.class,
            ArtifactsNewKeyCommand.class,
            ArtifactsSignCommand.class,
            ArtifactsPushCommand.class,
            ArtifactsPullCommand.class,
            ArtifactsGcCommand.class,
            ArtifactsPackCommand.class,
            ArtifactsUnpackCommand.class
        })
final class ArtifactsCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private StoreOptions store;

    @Override
    public Integer call() {
        StoreUsage usage = store.open().usage();
        if (output.json) {
            common.terminal().line(Json.text(Json.of(usage)));
        } else if (usage.artifacts().isEmpty()) {
            common.terminal().err("no artifact in " + store.open().root());
        } else {
            table(usage).print(common.terminal());
            common.terminal()
                    .err(
                            "%.1f MB on the disk; %.1f MB are saved by files that several artifacts share"
                                    .formatted(
                                            usage.bytesOnDisk() / 1e6,
                                            (usage.bytes() - usage.bytesOnDisk()) / 1e6));
        }
        return ExitStatus.DONE;
    }

    private static Table table(StoreUsage usage) {
        Table table = new Table("digest", "model", "recipe", "MB", "shared MB", "shared with");
        for (StoreUsage.Entry each : usage.artifacts()) {
            table.row(
                    EventSummary.brief(each.digest()),
                    each.problem() != null ? each.problem() : String.valueOf(each.name()),
                    each.recipe() == null ? "-" : each.recipe(),
                    "%.1f".formatted(each.bytes() / 1e6),
                    "%.1f".formatted(each.sharedBytes() / 1e6),
                    brief(each.sharedWith()));
        }
        return table;
    }

    private static String brief(List<String> digests) {
        return digests.isEmpty()
                ? "-"
                : digests.stream().map(EventSummary::brief).collect(Collectors.joining(" "));
    }
}
