package dev.tokenlog.cli;

import dev.tokenlog.client.GenerationResult;
import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.PromptEvent.Builder;
import dev.tokenlog.contracts.PromptEvent.Message;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "generate",
        description =
                "Sends a prompt to its topic and streams the answer from another; statistics at the end.")
final class GenerateCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;
    @Mixin private SamplingOptions sampling;

    @Parameters(index = "0", paramLabel = "MODEL", description = "A model id: see 'models'.")
    private String model;

    @Parameters(
            index = "1",
            arity = "0..1",
            paramLabel = "PROMPT",
            description = "The prompt; without one it is read from standard input.")
    private String prompt;

    @Option(
            names = "--prompt-file",
            paramLabel = "FILE",
            description = "Read the prompt from here.")
    private Path promptFile;

    @Option(names = "--system", paramLabel = "TEXT", description = "The system message.")
    private String system;

    @Option(names = "--raw", description = "The prompt as it is, without the chat template.")
    private boolean raw;

    @Option(
            names = "--id",
            paramLabel = "ID",
            description = "The generation's id: the same id and prompt is the same generation.")
    private String id;

    @Override
    public Integer call() throws IOException {
        PromptSubmitted request = sampling.apply(builder(text())).generationId(id).build();
        GenerationPrinter printer = new GenerationPrinter(common.terminal(), output.json);
        try (Interruption interruption = new Interruption();
                TokenlogClient client = connection.connect();
                GenerationStream stream = client.generate(request)) {
            try {
                GenerationResult result = printer.print(stream, connection.timeout());
                return printer.conclude(result);
            } catch (TokenlogException e) {
                if (!interruption.take()) {
                    throw e;
                }
                String own = stream.handle().generationId();
                common.terminal()
                        .err(
                                "\ntokenlog: interrupted; the generation goes on: 'tokenlog attach %s' reads it, 'tokenlog cancel %s' ends it"
                                        .formatted(own, own));
                return ExitStatus.INTERRUPTED;
            }
        }
    }

    private Builder builder(String text) {
        if (raw) {
            if (system != null) {
                throw CommandFailure.usage("--system needs the chat template: leave out --raw");
            }
            return PromptSubmitted.ofText(model, text);
        }
        List<Message> messages = new ArrayList<>();
        if (system != null) {
            messages.add(new Message("system", system));
        }
        messages.add(new Message("user", text));
        return PromptSubmitted.ofMessages(model, messages);
    }

    private String text() throws IOException {
        if (prompt != null && promptFile != null) {
            throw CommandFailure.usage("give PROMPT or --prompt-file, not both");
        }
        if (promptFile != null) {
            return Files.readString(promptFile);
        }
        return prompt != null ? prompt : common.input().lines().collect(Collectors.joining("\n"));
    }
}
