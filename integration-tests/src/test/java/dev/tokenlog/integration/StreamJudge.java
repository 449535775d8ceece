package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.integration.Generations.Generation;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Judges a dump of the token topic from outside: by the rules restated in [Generations], and, in a
/// checkout that has it, by a program that shares nothing with us.
final class StreamJudge {

    private StreamJudge() {}

    static void allWell(Path folder, TopicDump dump) {
        judge(dump, null, folder);
    }

    /// ... and generations that both dumps hold have the same tokens.
    static void sameTokens(Path folder, TopicDump dump, TopicDump undisturbed) {
        judge(dump, undisturbed, folder);
    }

    private static void judge(TopicDump dump, TopicDump undisturbed, Path folder) {
        Generations generations = Generations.of(dump);
        generations.byId().forEach(StreamJudge::whole);
        if (undisturbed != null) {
            Generations others = Generations.of(undisturbed);
            generations
                    .byId()
                    .forEach((id, generation) ->
                            assertThat(generation.tokens)
                                    .as("tokens of " + id)
                                    .isEqualTo(others.get(id).tokens));
        }
        independently(dump, undisturbed, folder);
    }

    private static void whole(String id, Generation generation) {
        assertThat(generation.end).as(id + " has ended: " + generation).isNotNull();
        assertThat(generation.end.path("usage").path("completion_tokens").asInt())
                .as("completion tokens of " + id)
                .isEqualTo(generation.tokens.size());
        if (generation.end.hasNonNull("token_hash")) {
            assertThat(generation.end.path("token_hash").asText())
                    .as("token hash of " + id)
                    .isEqualTo(Generations.hash(generation.tokens));
        }
    }

    private static void independently(TopicDump dump, TopicDump undisturbed, Path folder) {
        if (!Checkout.hasShared("tools/check-stream")) {
            System.out.println(
                    "StreamJudge: ../shared/tools/check-stream is not there, judged by our own rules"
                            + " alone");
            return;
        }
        Path file = folder.resolve("tokens.jsonl");
        dump.writeTo(file);
        List<String> command =
                new ArrayList<>(
                        List.of(Checkout.shared("tools/check-stream").toString(), file.toString()));
        if (undisturbed != null) {
            Path other = folder.resolve("undisturbed.jsonl");
            undisturbed.writeTo(other);
            command.addAll(List.of("--same-as", other.toString()));
        }
        CommandLine.Result verdict =
                CommandLine.run(folder, Map.of(), Duration.ofSeconds(60), command);
        assertThat(verdict.status()).as(verdict.toString()).isZero();
        assertThat(Files.exists(file)).isTrue();
    }
}
