package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CompareCommandTest {

    @TempDir private Path temp;

    @Test
    void recipes_stand_side_by_side() throws IOException {
        Path svg = temp.resolve("plot.svg");
        Path kept = temp.resolve("rows.jsonl");
        String[] command = {
            "compare",
            CommandRun.demoModel(),
            "--json",
            "--tokens",
            "300",
            "--calibration-tokens",
            "64",
            "--recipe",
            "int8",
            "--recipe",
            "int4",
            "--recipe",
            "int4-g32*",
            "--recipe",
            "int4-g32,rotation=hadamard*awq",
            "--against",
            CommandRun.demoModel() + "=5000000",
            "--resume",
            kept.toString(),
            "--svg",
            svg.toString()
        };
        CommandRun run = CommandRun.of(command);
        assertThat(run.status()).as(run.err()).isEqualTo(ExitStatus.DONE);
        JsonNode rows = Json.read(run.out(), "answer").path("rows");
        assertThat(rows).hasSize(5);
        JsonNode rotated = rows.get(3);
        assertThat(rotated.path("name").textValue()).isEqualTo("int4-g32,rotation=hadamard awq");
        // A head of its own.
        assertThat(rotated.path("bytes").longValue())
                .isGreaterThan(rows.get(2).path("bytes").longValue());
        JsonNode itself = rows.get(4);
        assertThat(itself.path("mean_kl_divergence").doubleValue()).isZero();
        assertThat(itself.path("bytes").longValue()).isEqualTo(5_000_000);
        JsonNode eight = rows.get(0);
        JsonNode four = rows.get(1);
        assertThat(eight.path("name").textValue()).isEqualTo("int8-g32-lsq");
        assertThat(eight.path("bits_per_weight").doubleValue())
                .isGreaterThan(four.path("bits_per_weight").doubleValue());
        assertThat(eight.path("mean_kl_divergence").doubleValue())
                .isLessThan(four.path("mean_kl_divergence").doubleValue());
        assertThat(four.path("bytes")).isEqualTo(rows.get(2).path("bytes"));
        String plot = Files.readString(svg);
        assertThat(plot).contains("int4-g32 gptq</title>").endsWith("</svg>\n");
        assertThat(Files.readAllLines(kept)).hasSize(5);
        CommandRun again = CommandRun.of(command);
        assertThat(Json.read(again.out(), "answer").path("rows")).isEqualTo(rows);
        assertThat(Files.readString(svg)).isEqualTo(plot);
        assertThat(Files.readAllLines(kept)).hasSize(5);
    }

    @Test
    void lines_of_other_contents_are_made_again() throws IOException {
        Path text = temp.resolve("text.jsonl");
        Path kept = temp.resolve("rows.jsonl");
        write(text, "A dog and a cat went to the sea.");
        String[] command = {
            "compare",
            CommandRun.demoModel(),
            "--json",
            "--recipe",
            "int8",
            "--tokens",
            "100",
            "--text",
            text.toString(),
            "--resume",
            kept.toString()
        };
        CommandRun first = CommandRun.of(command);
        assertThat(first.status()).as(first.err()).isEqualTo(ExitStatus.DONE);
        write(text, "The weather was bad, and nobody wanted to go out at all.");
        CommandRun other = CommandRun.of(command);
        assertThat(other.out()).isNotEqualTo(first.out());
        assertThat(Files.readAllLines(kept)).hasSize(2);

        // What an interruption has cut off: within the second line.
        List<String> whole = Files.readAllLines(kept);
        Files.writeString(kept, whole.get(0) + "\n" + whole.get(1).substring(0, 200));
        CommandRun again = CommandRun.of(command);
        assertThat(again.status()).as(again.err()).isEqualTo(ExitStatus.DONE);
        assertThat(Files.readAllLines(kept)).hasSize(2).startsWith(whole.get(0));
        assertThat(mean(again)).isEqualTo(mean(other));
        write(text, "A dog and a cat went to the sea.");
        assertThat(CommandRun.of(command).out()).as("a line of the same").isEqualTo(first.out());
    }

    @Test
    void a_file_of_something_else_is_refused_and_stays_as_it_is() throws IOException {
        for (String content : List.of("a diary", "{\"a\":1}\n", "{\"a\":1}", "one\ntwo")) {
            Path kept = Files.writeString(temp.resolve("other.txt"), content);
            CommandRun run =
                    CommandRun.of(
                            "compare",
                            CommandRun.demoModel(),
                            "--recipe",
                            "int8",
                            "--resume",
                            kept.toString());
            assertThat(run.status()).as(content).isEqualTo(ExitStatus.USAGE);
            assertThat(run.err()).contains(kept.toString());
            assertThat(kept).hasContent(content);
        }
    }

    private static double mean(CommandRun run) {
        return Json.read(run.out(), "answer")
                .path("rows")
                .path(0)
                .path("mean_kl_divergence")
                .doubleValue();
    }

    private static void write(Path file, String said) throws IOException {
        Files.writeString(
                file,
                """
                {"messages":[{"role":"user","content":"Tell me."},{"role":"assistant","content":"%s"}]}
                """
                        .formatted(said));
    }

    @Test
    void what_is_no_recipe_is_refused_before_anything_is_converted() {
        for (String wrong : new String[] {"int3", "int4*x", "int4*99"}) {
            CommandRun run = CommandRun.of("compare", "demo", "--recipe", wrong);
            assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        }
    }
}
