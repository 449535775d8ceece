package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.ClientOptions;
import dev.tokenlog.client.EventStream;
import dev.tokenlog.client.GenerationResult;
import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.LocalPlatform;
import dev.tokenlog.client.Timeline;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.ConversionRequest.Recipe;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.PromptEvent.Message;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.UnsignedSeed;
import java.math.BigInteger;
import java.nio.file.Path;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "demo",
        description =
                "The main job, from nothing: a fresh platform, a conversion by events, the verdict, a"
                        + " prompt, its answer as a stream, and the audit trail of what just happened.")
final class DemoCommand implements Callable<Integer> {

    private static final Duration SILENCE = Duration.ofSeconds(120);
    private static final String MODEL = "demo";

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Data folder to begin in (default: a new one below the data folder).")
    private Path data;

    @Option(
            names = "--prompt",
            paramLabel = "TEXT",
            defaultValue = "Tell me a story about a brave fox who finds a lantern.",
            description = "What to ask (default: ${DEFAULT-VALUE})")
    private String prompt;

    private Terminal terminal;
    private int step;
    private final ObjectNode summary = Json.object();

    @Override
    public Integer call() {
        terminal = output.json ? common.terminal().onErr() : common.terminal();
        long begin = System.nanoTime();
        Path folder = data != null ? ConnectionOptions.dataFolder(data) : freshFolder();
        title("Start a Kafka broker and the four processors");
        terminal.line("  data in " + folder);
        try (StandaloneProcess process =
                StandaloneProcess.start(
                        folder,
                        List.of("--port=0", "--http-port=0"),
                        List.of("-Dquarkus.log.console.enabled=false"),
                        null)) {
            LocalPlatform platform = process.awaitReady();
            terminal.line("  Kafka answers at " + platform.bootstrapServers());
            if (!platform.compute().isEmpty()) {
                terminal.line("  " + platform.compute());
            }
            try (TokenlogClient client =
                    TokenlogClient.connect(
                            ClientOptions.of(
                                    Map.of("bootstrap.servers", platform.bootstrapServers()),
                                    ""))) {
                int status = show(client);
                if (status != ExitStatus.DONE) {
                    return status;
                }
            }
        }
        terminal.line("");
        terminal.line(
                "Done in %.1f s. The same data again, until Ctrl-C, and then ask it something:"
                        .formatted((System.nanoTime() - begin) / 1e9));
        terminal.line("");
        terminal.line("  " + terminal.bold("./tokenlog up --data " + quoted(folder)));
        terminal.line("  ./tokenlog generate demo \"Once upon a time\" --data " + quoted(folder));
        if (output.json) {
            summary.put("data", folder.toString());
            common.terminal().line(Json.text(summary));
        }
        return ExitStatus.DONE;
    }

    private int show(TokenlogClient client) {
        title("Convert the bundled model to 4 bits, by events (topic conversion-requests)");
        ConversionFollower follower = new ConversionFollower(terminal, false);
        Optional<ConversionFollower.Converted> converted;
        try (EventStream<ConversionEvent> stream =
                client.convert(
                        new ConversionRequested(
                                null,
                                MODEL,
                                Installation.demoModel().toString(),
                                null,
                                new Recipe("int4", null, null),
                                null))) {
            converted = follower.follow(stream, SILENCE);
        }
        if (converted.isEmpty()) {
            return ExitStatus.NO;
        }
        String digest = converted.get().modelDigest();
        summary.put("model_id", MODEL).put("model_digest", digest);

        title("Wait for the verdict on exactly this digest (topic accuracy-metrics)");
        ValidationFinished verdict = follower.awaitVerdict(client, converted.get(), SILENCE);
        summary.set("validation", Json.of(verdict));
        if (verdict.verdict() != Verdict.PASS) {
            return ExitStatus.NO;
        }
        try (EventStream<ModelServing> serving = client.followServing(MODEL, digest)) {
            ModelServing now = serving.await(SILENCE);
            terminal.line("  registry  " + EventSummary.details(now) + " (topic model-registry)");
        }

        title("Send a prompt (topic prompts), stream the answer (topic tokens)");
        terminal.line("  > " + prompt);
        GenerationResult result = generate(client);
        summary.put("generation_id", result.handle().generationId());
        summary.put("text", result.text()).set("end", Json.of(result.end()));
        if (!result.finished()) {
            return ExitStatus.NO;
        }

        title("The audit trail of what just happened: time, topic[partition]@offset, event");
        trail(client, result.handle().generationId());
        return ExitStatus.DONE;
    }

    private GenerationResult generate(TokenlogClient client) {
        PromptSubmitted request =
                PromptSubmitted.ofMessages(MODEL, List.of(new Message("user", prompt)))
                        .maxTokens(200)
                        .temperature(0.0)
                        .seed(UnsignedSeed.of(BigInteger.valueOf(7)))
                        .build();
        GenerationPrinter printer = new GenerationPrinter(terminal, false);
        try (GenerationStream stream = client.generate(request)) {
            GenerationResult result = printer.print(stream, SILENCE);
            printer.conclude(result);
            return result;
        }
    }

    /// From the token hash back to the digest of the weights and the files of the source.
    private void trail(TokenlogClient client, String generationId) {
        Timeline timeline =
                client.audit(generationId)
                        .orElseThrow(() ->
                                CommandFailure.no("the log holds nothing about " + generationId));
        new TimelinePrinter(terminal, false).print(timeline);
    }

    private void title(String text) {
        step++;
        terminal.line("");
        terminal.line(terminal.bold("%d. %s".formatted(step, text)));
    }

    private static Path freshFolder() {
        String name =
                "demo-"
                        + LocalDateTime.now()
                                .format(DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss"));
        return ConnectionOptions.dataFolder(null).resolve(name);
    }

    /// As a shell wants it.
    private static String quoted(Path path) {
        String text = path.toString();
        return text.matches("[A-Za-z0-9_./-]+") ? text : "'" + text.replace("'", "'\\''") + "'";
    }
}
