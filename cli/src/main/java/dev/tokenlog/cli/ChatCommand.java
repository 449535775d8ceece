package dev.tokenlog.cli;

import dev.tokenlog.client.GenerationResult;
import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.PromptEvent.Message;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "chat",
        description =
                "A conversation: every line is a message. /system TEXT, /reset, /stats, /quit; Ctrl-C ends"
                        + " an answer.")
final class ChatCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;
    @Mixin private SamplingOptions sampling;

    @Parameters(paramLabel = "MODEL", description = "A model id: see 'models'.")
    private String model;

    @Option(names = "--system", paramLabel = "TEXT", description = "The system message.")
    private String system;

    private final List<Message> turns = new ArrayList<>();
    private String conversation = UUID.randomUUID().toString();
    private String statistics = "no answer yet";

    @Override
    public Integer call() throws IOException {
        try (TokenlogClient client = connection.connect();
                BufferedReader input = common.input()) {
            Terminal terminal = common.terminal();
            terminal.err(terminal.dim("/system TEXT, /reset, /stats, /quit"));
            prompt();
            for (String line = input.readLine();
                    line != null && !line.strip().equals("/quit");
                    line = input.readLine()) {
                if (line.startsWith("/")) {
                    command(line.strip());
                } else if (!line.isBlank()) {
                    answer(client, line);
                }
                prompt();
            }
            return ExitStatus.DONE;
        }
    }

    private void prompt() {
        if (common.terminal().errIsTerminal()) {
            common.terminal().errRaw("> ");
        }
    }

    private void command(String line) {
        Terminal terminal = common.terminal();
        if (line.equals("/reset")) {
            turns.clear();
            conversation = UUID.randomUUID().toString();
            terminal.err("the conversation begins anew");
        } else if (line.equals("/stats")) {
            terminal.err(statistics);
        } else if (line.startsWith("/system")) {
            String text = line.substring("/system".length()).strip();
            system = text.isEmpty() ? null : text;
            terminal.err(system == null ? "no system message" : "system: " + system);
        } else {
            terminal.err("/system TEXT, /reset, /stats, /quit");
        }
    }

    private void answer(TokenlogClient client, String line) {
        turns.add(new Message("user", line));
        List<Message> messages = new ArrayList<>();
        if (system != null) {
            messages.add(new Message("system", system));
        }
        messages.addAll(turns);
        PromptSubmitted request =
                sampling.apply(PromptSubmitted.ofMessages(model, messages))
                        .conversationId(conversation)
                        .build();
        GenerationPrinter printer = new GenerationPrinter(common.terminal(), output.json);
        try (Interruption interruption = new Interruption();
                GenerationStream stream = client.generate(request)) {
            GenerationResult result = print(client, printer, stream, interruption);
            if (result.end() instanceof GenerationFinished finished) {
                statistics = GenerationPrinter.statistics(finished, result.attempts());
            }
            printer.conclude(result);
            if (result.text().isEmpty()) {
                turns.removeLast();
            } else {
                turns.add(new Message("assistant", result.text()));
            }
        }
    }

    /// Ctrl-C ends the answer, not the conversation.
    private GenerationResult print(
            TokenlogClient client,
            GenerationPrinter printer,
            GenerationStream stream,
            Interruption interruption) {
        try {
            return printer.print(stream, connection.timeout());
        } catch (TokenlogException e) {
            if (!interruption.take()) {
                throw e;
            }
            interruption.acknowledge();
            client.cancel(stream.handle().generationId(), "Ctrl-C");
            return printer.print(stream, connection.timeout());
        }
    }
}
