package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.DeadLetterEntry;
import dev.tokenlog.client.ResentLetter;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.ErrorCode;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "replay",
        description =
                "Sends requests that were given up again, as they were. A prompt that named a generation"
                        + " gets a new id, since the old one has ended.")
final class DeadLettersReplayCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Parameters(
            paramLabel = "OFFSET",
            arity = "0..*",
            description = "As 'dead-letters list' shows them.")
    private List<Long> offsets = List.of();

    @Option(
            names = "--reason",
            paramLabel = "CODE",
            description = "In place of offsets: all that were given up for this reason.")
    private ErrorCode reason;

    @Override
    public Integer call() {
        if (offsets.isEmpty() == (reason == null)) {
            throw CommandFailure.usage("either OFFSET or --reason says which");
        }
        try (TokenlogClient client = connection.connect()) {
            List<DeadLetterEntry> letters =
                    client.deadLetters().stream()
                            .filter(each ->
                                    reason == null
                                            ? offsets.contains(each.offset())
                                            : each.letter().reason() == reason)
                            .toList();
            requireAll(letters);
            boolean all = true;
            for (DeadLetterEntry letter : letters) {
                all &= resend(client, letter);
            }
            return all ? ExitStatus.DONE : ExitStatus.NO;
        }
    }

    private void requireAll(List<DeadLetterEntry> letters) {
        Set<Long> missing = new HashSet<>(offsets);
        letters.forEach(letter -> missing.remove(letter.offset()));
        if (!missing.isEmpty()) {
            throw CommandFailure.no("no dead letter at offset " + missing.iterator().next());
        }
        if (letters.isEmpty()) {
            throw CommandFailure.no("no dead letter for the reason " + reason);
        }
    }

    private boolean resend(TokenlogClient client, DeadLetterEntry letter) {
        ResentLetter sent;
        try {
            sent = client.resend(letter);
        } catch (TokenlogException e) {
            if (e.kind() != TokenlogException.Kind.REFUSED) {
                throw e;
            }
            common.terminal().err("%d: %s".formatted(letter.offset(), e.getMessage()));
            return false;
        }
        if (output.json) {
            ObjectNode node = Json.object().put("dead_letter_offset", letter.offset());
            node.put("topic", sent.topic()).put("partition", sent.partition());
            node.put("offset", sent.offset());
            sent.generationId().ifPresent(id -> node.put("generation_id", id));
            common.terminal().line(Json.text(node));
        } else {
            common.terminal()
                    .line(
                            "%d: %s is now %s[%d]@%d%s"
                                    .formatted(
                                            letter.offset(),
                                            DeadLettersListCommand.place(letter),
                                            sent.topic(),
                                            sent.partition(),
                                            sent.offset(),
                                            sent.generationId()
                                                    .map(id -> ", generation " + id)
                                                    .orElse("")));
        }
        return true;
    }
}
