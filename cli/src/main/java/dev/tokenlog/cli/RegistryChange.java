package dev.tokenlog.cli;

import dev.tokenlog.client.CommandHandle;
import dev.tokenlog.client.ModelEntry;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.RegistryCommand;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Predicate;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/// What the commands to the registry have in common: they send an event, wait until the registry
/// has answered it, and show what is now served.
abstract class RegistryChange implements Callable<Integer> {

    private static final Duration BETWEEN_LOOKS = Duration.ofMillis(200);

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Parameters(paramLabel = "MODEL", description = "A model id: see 'models'.")
    private String model;

    /// The event, given what is known of the model.
    abstract RegistryCommand command(ModelEntry entry, String requestedBy);

    /// Whether the registry says what was asked for.
    abstract Predicate<ModelServing> done(ModelEntry before);

    @Override
    public final Integer call() {
        try (TokenlogClient client = connection.connect()) {
            ModelEntry before =
                    client.model(model)
                            .orElseThrow(() ->
                                    CommandFailure.no(
                                            "the log knows no model '%s': 'tokenlog models' lists them"
                                                    .formatted(model)));
            CommandHandle sent =
                    client.command(command(before, System.getProperty("user.name", "unknown")));
            ModelServing after = await(client, sent, done(before));
            if (output.json) {
                common.terminal().line(Json.text(Json.of(after)));
            } else {
                common.terminal().line(EventSummary.details(after));
            }
            return ExitStatus.DONE;
        }
    }

    private ModelServing await(
            TokenlogClient client, CommandHandle sent, Predicate<ModelServing> done) {
        long until = System.nanoTime() + connection.timeout().toNanos();
        Optional<ModelServing> seen = Optional.empty();
        while (System.nanoTime() < until) {
            seen = client.model(model).flatMap(ModelEntry::serving);
            if (seen.isPresent() && done.test(seen.get())) {
                return seen.get();
            }
            client.refusal(sent)
                    .ifPresent(refusal -> {
                        throw CommandFailure.no(refusal.reason() + ": " + refusal.message());
                    });
            pause();
        }
        throw CommandFailure.no(
                "the registry did not do it within %d s; it says: %s"
                        .formatted(
                                connection.timeout().toSeconds(),
                                seen.map(EventSummary::details).orElse("nothing")));
    }

    private static void pause() {
        try {
            Thread.sleep(BETWEEN_LOOKS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CommandFailure(ExitStatus.INTERRUPTED, "interrupted", e);
        }
    }
}
