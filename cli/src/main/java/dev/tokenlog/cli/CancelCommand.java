package dev.tokenlog.cli;

import dev.tokenlog.client.EventStream;
import dev.tokenlog.client.GenerationHandle;
import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.Timeline;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionEvent.ConversionCancelled;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.TokenEvent.GenerationCancelled;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "cancel",
        description =
                "Ends a generation or a conversion; exit status 1 if it had ended by itself before.")
final class CancelCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Parameters(paramLabel = "ID", description = "A generation's or a conversion's id.")
    private String id;

    @Override
    public Integer call() {
        try (TokenlogClient client = connection.connect()) {
            Optional<GenerationHandle> generation = client.find(id);
            return generation.isPresent()
                    ? generation(client, generation.get())
                    : conversion(client);
        }
    }

    private int generation(TokenlogClient client, GenerationHandle handle) {
        client.cancel(id, "asked for on the command line");
        try (GenerationStream stream = client.stream(handle)) {
            Event end = stream.await(connection.timeout()).end();
            return say(end, end instanceof GenerationCancelled);
        }
    }

    private int conversion(TokenlogClient client) {
        Optional<Timeline> found = client.audit(id);
        if (found.isEmpty() || found.get().subject() != Timeline.Subject.CONVERSION) {
            throw CommandFailure.no(
                    "the log holds neither a generation nor a conversion '%s'".formatted(id));
        }
        client.cancelConversion(id);
        try (EventStream<ConversionEvent> stream = client.followConversion(id)) {
            Event end = stream.await(connection.timeout());
            return say(end, end instanceof ConversionCancelled);
        }
    }

    private int say(Event end, boolean cancelled) {
        if (output.json) {
            common.terminal().line(Json.text(Json.of(end)));
        } else {
            common.terminal()
                    .line(cancelled ? "cancelled" : "it had ended before: " + EventSummary.of(end));
        }
        return cancelled ? ExitStatus.DONE : ExitStatus.NO;
    }
}
