package dev.tokenlog.cli;

import dev.tokenlog.client.EventStream;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.engine.artifact.Recipe;
import java.io.IOException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "convert",
        description =
                "Asks, on a topic, for a conversion, and follows it: fetch, quantize, export, validate,"
                        + " report. Exit status 1 if it fails or the verdict is FAIL.")
final class ConvertCommand implements Callable<Integer> {

    /// The registry follows a verdict within milliseconds.
    private static final Duration REGISTRY = Duration.ofSeconds(10);

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;
    @Mixin private RecipeOptions recipe;

    @Parameters(
            paramLabel = "MODEL",
            description = "A Hugging Face folder or a GGUF file, as the worker sees it; or 'demo'.")
    private String model;

    @Option(
            names = "--name",
            paramLabel = "ID",
            description =
                    "The model id to register it under (default: the name of the folder or file).")
    private String name;

    @Option(names = "--no-wait", description = "Do not wait for the verdict.")
    private boolean noWait;

    @Option(
            names = "--verdict-timeout",
            paramLabel = "SECONDS",
            defaultValue = "1800",
            description = "How long a verdict may take; large models take long (default: 1800).")
    private int verdictTimeout;

    @Override
    public Integer call() throws IOException {
        ConversionRequested request =
                new ConversionRequested(
                        null,
                        name != null ? name : model.equals("demo") ? "demo" : null,
                        ModelFolders.resolve(model).toString(),
                        null,
                        requested(recipe.recipe()),
                        null);
        ConversionFollower follower = new ConversionFollower(common.terminal(), output.json);
        try (Interruption interruption = new Interruption();
                TokenlogClient client = connection.connect();
                EventStream<ConversionEvent> stream = client.convert(request)) {
            follower.requested(stream.id());
            Optional<ConversionFollower.Converted> converted =
                    follow(client, stream, follower, interruption);
            if (converted.isEmpty()) {
                return stream.ended() ? ExitStatus.NO : ExitStatus.INTERRUPTED;
            }
            if (noWait) {
                return ExitStatus.DONE;
            }
            return verdict(client, follower, converted.get(), interruption);
        }
    }

    private int verdict(
            TokenlogClient client,
            ConversionFollower follower,
            ConversionFollower.Converted converted,
            Interruption interruption) {
        try {
            ValidationFinished verdict =
                    follower.awaitVerdict(client, converted, Duration.ofSeconds(verdictTimeout));
            if (verdict.verdict() == Verdict.PASS) {
                awaitServing(client, verdict);
                return ExitStatus.DONE;
            }
            common.terminal()
                    .err(
                            "tokenlog: the verdict is %s, so it is not served: more bits, or 'tokenlog models promote %s --force' on your own judgement"
                                    .formatted(verdict.verdict(), verdict.modelId()));
            return ExitStatus.NO;
        } catch (TokenlogException e) {
            if (!interruption.take()) {
                throw e;
            }
            common.terminal()
                    .err(
                            "tokenlog: interrupted; the validation goes on: 'tokenlog audit %s' shows its verdict"
                                    .formatted(converted.modelDigest()));
            return ExitStatus.INTERRUPTED;
        }
    }

    /// So that a prompt sent next finds the model. A passing digest is served at once, unless its
    /// name serves another by an operator's word, or this one has been revoked.
    private void awaitServing(TokenlogClient client, ValidationFinished verdict) {
        try (EventStream<ModelServing> serving =
                client.followServing(verdict.modelId(), verdict.modelDigest())) {
            serving.await(REGISTRY);
        } catch (TokenlogException e) {
            if (e.kind() != TokenlogException.Kind.TIMEOUT) {
                throw e;
            }
            common.terminal()
                    .err(
                            "tokenlog: the verdict is PASS, but %s does not serve this digest: 'tokenlog models' shows what it serves"
                                    .formatted(verdict.modelId()));
        }
    }

    private static dev.tokenlog.contracts.ConversionRequest.Recipe requested(Recipe recipe) {
        return new dev.tokenlog.contracts.ConversionRequest.Recipe(
                recipe.code().label(), recipe.groupSize(), recipe.scales().label());
    }

    /// To the conversion's end, over interruptions that turn out not to be meant.
    private Optional<ConversionFollower.Converted> follow(
            TokenlogClient client,
            EventStream<ConversionEvent> stream,
            ConversionFollower follower,
            Interruption interruption)
            throws IOException {
        while (true) {
            try {
                return follower.follow(stream, connection.timeout());
            } catch (TokenlogException e) {
                if (!interruption.take()) {
                    throw e;
                }
                if (!goesOn(client, stream.id(), interruption)) {
                    return Optional.empty();
                }
            }
        }
    }

    /// @return whether to go on following
    private boolean goesOn(TokenlogClient client, String id, Interruption interruption)
            throws IOException {
        Terminal terminal = common.terminal();
        if (!terminal.errIsTerminal()) {
            terminal.err(
                    "tokenlog: interrupted; the conversion goes on: 'tokenlog cancel %s' ends it"
                            .formatted(id));
            return false;
        }
        interruption.acknowledge();
        terminal.errRaw("\nCancel the conversion? [y/N/w] (w: leave it running) ");
        String answer = common.input().readLine();
        if (answer == null || answer.strip().equalsIgnoreCase("w")) {
            terminal.err("it goes on: 'tokenlog audit %s' shows how far it is".formatted(id));
            return false;
        }
        if (answer.strip().equalsIgnoreCase("y")) {
            client.cancelConversion(id);
        }
        return true;
    }
}
