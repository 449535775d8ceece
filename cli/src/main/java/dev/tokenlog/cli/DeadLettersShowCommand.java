package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.DeadLetterEntry;
import dev.tokenlog.client.TokenlogClient;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(name = "show", description = "One of them, with its original key and value.")
final class DeadLettersShowCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Parameters(paramLabel = "OFFSET", description = "As 'dead-letters list' shows it.")
    private long offset;

    @Override
    public Integer call() {
        try (TokenlogClient client = connection.connect()) {
            DeadLetterEntry found =
                    client.deadLetters().stream()
                            .filter(letter -> letter.offset() == offset)
                            .findFirst()
                            .orElseThrow(
                                    () -> CommandFailure.no("no dead letter at offset " + offset));
            Terminal terminal = common.terminal();
            if (output.json) {
                ObjectNode node = DeadLettersListCommand.tree(found);
                put(node, "key", found.key());
                put(node, "value", found.value());
                terminal.line(Json.text(node));
                return ExitStatus.DONE;
            }
            terminal.line("from      " + DeadLettersListCommand.place(found));
            terminal.line("time      " + found.timestamp());
            terminal.line(
                    "reason    %s: %s"
                            .formatted(
                                    found.letter().reason(),
                                    Terminal.oneLine(found.letter().message())));
            terminal.line("attempts  " + found.letter().attempt());
            terminal.line("key       " + text(found.key()));
            terminal.line("value     " + text(found.value()));
            return ExitStatus.DONE;
        }
    }

    private static String text(byte[] bytes) {
        return bytes == null
                ? "(none)"
                : Terminal.printable(new String(bytes, StandardCharsets.UTF_8));
    }

    /// Bytes that need not be text.
    private static void put(ObjectNode node, String name, byte[] bytes) {
        if (bytes != null) {
            node.put(name + "_base64", Base64.getEncoder().encodeToString(bytes));
        }
    }
}
