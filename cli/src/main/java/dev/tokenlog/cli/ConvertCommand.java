package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.known.KnownModels;
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
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "convert",
        description =
                "Asks, on a topic, for a conversion, and follows it: fetch, quantize, export,"
                        + " validate, report. Exit status 1 if it fails or the verdict is FAIL.")
final class ConvertCommand implements Callable<Integer> {

    /// The registry follows a verdict within milliseconds.
    private static final Duration REGISTRY = Duration.ofSeconds(10);

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;
    @Mixin private RecipeOptions recipe;
    @Mixin private HubOptions hub;

    @Parameters(
            arity = "0..*",
            paramLabel = "MODEL",
            description =
                    "A short name (--list), a model of the hub (ORG/NAME), a Hugging Face folder or"
                            + " GGUF file as the worker sees it, or 'demo'. Several are converted one"
                            + " after the other.")
    private List<String> models = List.of();

    @Option(names = "--all", description = "All models that have a short name.")
    private boolean all;

    @Option(
            names = "--list",
            description = "Only list the models that have a short name. Without a broker.")
    private boolean list;

    @Option(
            names = "--name",
            paramLabel = "ID",
            description =
                    "The model id to register it under (default: the short name, or the name of the"
                            + " repository, folder or file).")
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
        if (list) {
            KnownModelTable.print(common.terminal(), output.json);
            return ExitStatus.DONE;
        }
        List<Wanted> wanted = wanted();
        try (Interruption interruption = new Interruption();
                TokenlogClient client = connection.connect()) {
            if (wanted.size() == 1) {
                return convert(wanted.getFirst(), client, interruption).status();
            }
            return convertAll(wanted, client, interruption);
        }
    }

    /// What to convert, all of it checked before the first one begins.
    private List<Wanted> wanted() {
        List<String> asked = new ArrayList<>(models);
        if (all) {
            asked.addAll(KnownModels.names());
        }
        if (asked.isEmpty()) {
            throw CommandFailure.usage(
                    "a MODEL is missing, or --all; --list shows the short names");
        }
        if (hub.namesFile() && asked.size() > 1) {
            throw CommandFailure.usage("--file is for one model, and these are " + asked.size());
        }
        if (name != null && asked.size() > 1) {
            throw CommandFailure.usage("--name is for one model, and these are " + asked.size());
        }
        dev.tokenlog.contracts.ConversionRequest.Recipe requested = requested(recipe);
        return asked.stream().distinct().map(model -> wanted(model, requested)).toList();
    }

    /// @param model as it was typed
    private record Wanted(String model, Optional<String> remark, ConversionRequested request) {}

    private Wanted wanted(String model, dev.tokenlog.contracts.ConversionRequest.Recipe requested) {
        ModelChoice choice = hub.choice(model);
        String source =
                switch (choice) {
                    case ModelChoice.Local local -> local.path().toString();
                    case ModelChoice.OfHub ofHub -> ofHub.id().toString();
                };
        String modelId =
                switch (choice) {
                    case ModelChoice.Local _ -> model.equals("demo") ? "demo" : null;
                    case ModelChoice.OfHub ofHub -> ofHub.shortName().orElse(null);
                };
        return new Wanted(
                model,
                choice.remark(),
                new ConversionRequested(
                        null, name != null ? name : modelId, source, null, requested, null));
    }

    /// How it ended for one model.
    ///
    /// @param outcome in a few words
    private record Result(int status, String outcome, String modelDigest) {}

    private int convertAll(List<Wanted> wanted, TokenlogClient client, Interruption interruption)
            throws IOException {
        Map<String, Result> results = new LinkedHashMap<>();
        for (Wanted each : wanted) {
            if (!output.json) {
                common.terminal().line(common.terminal().bold(each.model()));
            }
            Result result;
            try {
                result = convert(each, client, interruption);
            } catch (TokenlogException e) {
                if (e.kind() != TokenlogException.Kind.TIMEOUT) {
                    throw e;
                }
                result = failed(e.getMessage());
            } catch (CommandFailure e) {
                result = failed(e.getMessage());
            }
            results.put(each.model(), result);
            if (result.status() == ExitStatus.INTERRUPTED) {
                break;
            }
        }
        report(wanted, results);
        if (results.values().stream().anyMatch(r -> r.status() == ExitStatus.INTERRUPTED)) {
            return ExitStatus.INTERRUPTED;
        }
        return results.values().stream().allMatch(r -> r.status() == ExitStatus.DONE)
                ? ExitStatus.DONE
                : ExitStatus.NO;
    }

    private Result failed(String message) {
        common.terminal().err("tokenlog: " + Terminal.oneLine(message));
        return new Result(ExitStatus.NO, Terminal.oneLine(message), null);
    }

    private void report(List<Wanted> wanted, Map<String, Result> results) {
        Terminal terminal = common.terminal();
        if (output.json) {
            ArrayNode models = Json.object().putArray("models");
            for (Wanted each : wanted) {
                Result result = results.get(each.model());
                ObjectNode node = models.addObject().put("model", each.model());
                node.put("done", result != null && result.status() == ExitStatus.DONE);
                node.put("outcome", result == null ? "not begun" : result.outcome());
                if (result != null && result.modelDigest() != null) {
                    node.put("model_digest", result.modelDigest());
                }
            }
            terminal.line(Json.text(Json.object().set("models", models)));
            return;
        }
        Table table = new Table("model", "digest", "outcome");
        for (Wanted each : wanted) {
            Result result = results.get(each.model());
            table.row(
                    each.model(),
                    result == null ? "-" : EventSummary.brief(result.modelDigest()),
                    result == null ? "not begun" : EventSummary.brief(result.outcome()));
        }
        terminal.line("");
        table.print(terminal);
    }

    private Result convert(Wanted wanted, TokenlogClient client, Interruption interruption)
            throws IOException {
        wanted.remark().ifPresent(remark -> common.terminal().err("tokenlog: " + remark));
        ConversionFollower follower = new ConversionFollower(common.terminal(), output.json);
        try (EventStream<ConversionEvent> stream = client.convert(wanted.request())) {
            follower.requested(stream.id());
            Optional<ConversionFollower.Converted> converted =
                    follow(client, stream, follower, interruption);
            if (converted.isEmpty()) {
                return stream.ended()
                        ? new Result(ExitStatus.NO, follower.failure(), null)
                        : new Result(ExitStatus.INTERRUPTED, "interrupted", null);
            }
            String digest = converted.get().modelDigest();
            if (noWait) {
                return new Result(ExitStatus.DONE, "converted", digest);
            }
            int status = verdict(client, follower, converted.get(), interruption);
            return new Result(
                    status,
                    status == ExitStatus.DONE
                            ? "PASS"
                            : status == ExitStatus.NO ? "converted; no PASS" : "interrupted",
                    digest);
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

    private static dev.tokenlog.contracts.ConversionRequest.Recipe requested(
            RecipeOptions options) {
        Recipe recipe = options.requestable();
        if (options.isUnstated()) {
            options.requestedCalibration(); // refuses options that mean nothing
            return null;
        }
        return new dev.tokenlog.contracts.ConversionRequest.Recipe(
                recipe.code().label(),
                recipe.groupSize(),
                recipe.scales().label(),
                options.requestedCalibration(),
                recipe.rotation() == null ? null : recipe.rotation().canonical(),
                recipe.lossySparsity() == 0 ? null : recipe.lossySparsity());
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
