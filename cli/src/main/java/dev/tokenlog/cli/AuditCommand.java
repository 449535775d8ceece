package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.Timeline;
import dev.tokenlog.client.TokenlogClient;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "audit",
        description =
                "The life of a conversion, a model or a generation, from its events: from a token to the"
                        + " digest of the weights and the source.")
final class AuditCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Parameters(
            paramLabel = "ID",
            description = "A conversion, generation or model id, or a model digest.")
    private String id;

    @Option(names = "--all", description = "Every event; without it, repeated ones are summed up.")
    private boolean all;

    @Override
    public Integer call() {
        try (TokenlogClient client = connection.connect()) {
            Timeline timeline =
                    client.audit(id)
                            .orElseThrow(() ->
                                    CommandFailure.no(
                                            "the log holds nothing about '%s'".formatted(id)));
            if (output.json) {
                common.terminal().line(Json.text(tree(timeline)));
            } else {
                new TimelinePrinter(common.terminal(), all).print(timeline);
            }
            return ExitStatus.DONE;
        }
    }

    private static ObjectNode tree(Timeline timeline) {
        ObjectNode root = Json.object().put("id", timeline.id());
        root.put("subject", timeline.subject().name().toLowerCase(java.util.Locale.ROOT));
        timeline.modelDigest().ifPresent(digest -> root.put("model_digest", digest));
        ArrayNode entries = root.putArray("entries");
        for (Timeline.Entry each : timeline.entries()) {
            ObjectNode entry = entries.addObject();
            entry.put("topic", each.topic().baseName());
            entry.put("partition", each.partition()).put("offset", each.offset());
            entry.put("timestamp", each.timestamp().toString()).put("key", each.key());
            each.event().ifPresent(event -> entry.set("event", Json.of(event)));
            if (!each.note().isEmpty()) {
                entry.put("note", each.note());
            }
        }
        return root;
    }
}
