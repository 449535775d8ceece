package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.DeadLetterEntry;
import dev.tokenlog.client.TokenlogClient;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(name = "list", description = "All of them, oldest first.")
final class DeadLettersListCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Override
    public Integer call() {
        try (TokenlogClient client = connection.connect()) {
            List<DeadLetterEntry> letters = client.deadLetters();
            if (output.json) {
                letters.forEach(letter -> common.terminal().line(Json.text(tree(letter))));
                return ExitStatus.DONE;
            }
            if (letters.isEmpty()) {
                common.terminal().err("no dead letters");
                return ExitStatus.DONE;
            }
            Table table = new Table("offset", "time", "from", "reason", "attempts", "message");
            for (DeadLetterEntry each : letters) {
                table.row(
                        Long.toString(each.offset()),
                        each.timestamp().toString(),
                        place(each),
                        each.letter().reason().name(),
                        Integer.toString(each.letter().attempt()),
                        EventSummary.brief(Terminal.oneLine(each.letter().message())));
            }
            table.print(common.terminal());
            return ExitStatus.DONE;
        }
    }

    static String place(DeadLetterEntry entry) {
        return "%s[%d]@%d"
                .formatted(
                        entry.letter().topic(),
                        entry.letter().partition(),
                        entry.letter().offset());
    }

    static ObjectNode tree(DeadLetterEntry entry) {
        ObjectNode node = Json.object().put("offset", entry.offset());
        node.put("timestamp", entry.timestamp().toString());
        node.put("topic", entry.letter().topic());
        node.put("partition", entry.letter().partition());
        node.put("original_offset", entry.letter().offset());
        node.put("reason", entry.letter().reason().name());
        node.put("message", entry.letter().message());
        return node.put("attempt", entry.letter().attempt());
    }
}
