package dev.tokenlog.cli;

import dev.tokenlog.client.EventStream;
import dev.tokenlog.client.ModelEntry;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.ValidationRequest.ValidationRequested;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "validate",
        description =
                "Asks, on a topic, for a model's accuracy against its FP32 baseline. Exit status 1 unless"
                        + " the verdict is PASS.")
final class ValidateCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Parameters(paramLabel = "MODEL", description = "A model id: see 'models'.")
    private String model;

    @Option(
            names = "--digest",
            paramLabel = "DIGEST",
            description = "Which version (default: the latest manifest's).")
    private String digest;

    @Option(
            names = "--against",
            paramLabel = "FOLDER",
            description =
                    "The FP32 baseline, a folder, a GGUF file or hub:ORG/NAME (default: the source that the manifest"
                            + " names).")
    private String against;

    @Option(
            names = "--verdict-timeout",
            paramLabel = "SECONDS",
            defaultValue = "1800",
            description = "How long a verdict may take; large models take long (default: 1800).")
    private int verdictTimeout;

    @Override
    public Integer call() {
        ValidationRequested request =
                new ValidationRequested(null, model, digest, baseline(), null, null);
        ConversionFollower follower = new ConversionFollower(common.terminal(), output.json);
        try (TokenlogClient client = connection.connect()) {
            requireKnown(client);
            try (EventStream<AccuracyEvent> stream = client.validate(request)) {
                AccuracyEvent end =
                        follower.measured(stream, model, Duration.ofSeconds(verdictTimeout));
                boolean passed =
                        end instanceof ValidationFinished finished
                                && finished.verdict() == Verdict.PASS;
                return passed ? ExitStatus.DONE : ExitStatus.NO;
            }
        }
    }

    private String baseline() {
        if (against == null) {
            return null;
        }
        return switch (ModelChoice.of(against, null, null)) {
            case ModelChoice.Local local -> local.path().toString();
            case ModelChoice.OfHub hub -> hub.id().toString();
        };
    }

    /// A verdict on what nobody published would never come.
    private void requireKnown(TokenlogClient client) {
        ModelEntry entry =
                client.model(model)
                        .orElseThrow(() ->
                                CommandFailure.no(
                                        "the log knows no model '%s': 'tokenlog models' lists them"
                                                .formatted(model)));
        if (digest != null
                && Stream.concat(
                                entry.manifest().map(ModelManifest::modelDigest).stream(),
                                entry.serving().stream()
                                        .flatMap(serving -> serving.versions().stream())
                                        .map(ModelServing.Version::modelDigest))
                        .noneMatch(digest::equals)) {
            throw CommandFailure.no("no version of %s has the digest %s".formatted(model, digest));
        }
    }
}
