package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class UsageTest {

    @TempDir Path folder;

    @Test
    void everyCommandOfTheDesignIsInTheHelp() {
        CommandRun run = CommandRun.of("--help");
        assertThat(run.status()).isZero();
        assertThat(run.err()).isEmpty();
        assertThat(run.out())
                .contains("demo", "up", "test", "convert", "models", "generate", "chat", "attach")
                .contains("cancel", "audit", "topics", "doctor", "quantize", "logits", "tokenize")
                .contains(
                        "render",
                        "inspect",
                        "workers",
                        "usage",
                        "usage",
                        "dead-letters",
                        "validate",
                        "completion",
                        "artifacts",
                        "export",
                        "bench");
        assertThat(run.out()).matches("\\p{ASCII}*");
    }

    /// A list of commands shows the first element of a description, and no more.
    @Test
    void noDescriptionIsCutOffInTheListOfCommands() {
        String list = CommandRun.of("--help").out();
        Terminal terminal = new Terminal(System.out, System.err, false, false, false);
        TokenlogCommand.commandLine(terminal, Map.of())
                .getSubcommands()
                .values()
                .forEach(command ->
                        assertThat(command.getCommandSpec().usageMessage().description()[0])
                                .as(command.getCommandName())
                                .endsWith("."));
        assertThat(list).contains("loads and evictions.");
    }

    static Stream<String> commands() {
        Terminal terminal = new Terminal(System.out, System.err, false, false, false);
        return allNames(TokenlogCommand.commandLine(terminal, Map.of()), "");
    }

    private static Stream<String> allNames(CommandLine line, String above) {
        return line.getSubcommands().entrySet().stream()
                .flatMap(each -> {
                    String name = (above + " " + each.getKey()).strip();
                    return Stream.concat(Stream.of(name), allNames(each.getValue(), name));
                });
    }

    @ParameterizedTest
    @MethodSource("commands")
    void everyCommandHasHelp(String command) {
        CommandRun run = CommandRun.of((command + " --help").split(" "));
        assertThat(run.status()).isZero();
        assertThat(run.out()).startsWith("Usage: tokenlog " + command);
        assertThat(run.out().lines()).allMatch(line -> line.length() <= 100);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "no-such-command",
                "generate",
                "generate demo hi --temperature warm",
                "generate demo hi --temperature NaN",
                "generate demo hi --no-such-option",
                "generate demo hi --seed -1",
                "models --bootstrap localhost",
                "models --bootstrap localhost:99999999",
                "models --timeout 0",
                "dead-letters",
                "dead-letters show one",
                "logits demo",
                "logits demo --ids 1",
                "quantize demo --out x --bits 9",
                "convert demo --recipe int4-g32-lsq,embedding=int4",
                "bench",
                "bench --shape no-such-shape",
                "bench --shape tinyllama-1.1b --codes int3",
                "bench --shape smollm2-135m --rounds 0",
                "codes --batch 0",
                "quantize demo --out x --bits 4 --code int4",
                "quantize demo --out x --granularity g33",
                "quantize demo --out x --granularity row --group-size 32",
                "quantize demo --out x --recipe uint4-g32-lsq",
                "bench --model demo --codes int4",
                "bench --model demo --shape smollm2-135m",
                "quantize demo --out x --bits 4 --recipe int4-g32-absmax",
                "quantize demo --out x --group-size 3",
                "quantize demo --out x --recipe int5",
                "quantize demo --out x --threads 0",
                "quantize demo --out x --threads 10000",
                "logits demo --ids 1 --greedy 1 --threads 0",
                "logits demo --ids 1 --greedy 1 --threads 10000",
                "bench --shape smollm2-135m --threads 0",
                "bench --shape smollm2-135m --threads 10000",
            })
    void wrongUsageIsStatusTwoAndOneOrTwoLines(String arguments) {
        CommandRun run = CommandRun.of(arguments.isEmpty() ? new String[0] : arguments.split(" "));
        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).startsWith("tokenlog: ").doesNotContain("\tat ");
        assertThat(run.err().lines().count()).isLessThanOrEqualTo(3);
    }

    @Test
    void aMistypedCommandIsGuessed() {
        assertThat(CommandRun.of("generat", "demo").err()).contains("did you mean generate");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "models",
                "workers",
                "usage",
                "audit x",
                "attach x",
                "cancel x",
                "generate demo hi",
                "topics",
                "convert demo",
                "dead-letters list",
                "validate demo",
                "models promote demo"
            })
    void withoutABrokerEveryCommandSaysWhatToDo(String command) throws Exception {
        String address;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            address = "127.0.0.1:" + free.getLocalPort();
        }
        CommandRun run = CommandRun.of((command + " --bootstrap " + address).split(" "));
        assertThat(run.status()).as(run.toString()).isEqualTo(ExitStatus.ENVIRONMENT);
        assertThat(run.out()).isEmpty();
        assertThat(run.err()).contains(address).contains("tokenlog up").contains("--bootstrap");
        assertThat(run.err().lines()).hasSize(1);
    }

    @Test
    void aDataFolderOnWhichNothingRunsIsNamedInPlaceOfTheDefaultAddress() {
        CommandRun run = CommandRun.of("models", "--data", folder.toString());
        assertThat(run.status()).isEqualTo(ExitStatus.ENVIRONMENT);
        assertThat(run.err())
                .contains("no platform runs on " + folder)
                .contains("tokenlog up --data")
                .doesNotContain("9092");
        assertThat(run.err().lines()).hasSize(1);
    }

    @Test
    void optionsComeFromTheEnvironmentAndTheCommandLineGoesFirst() {
        Map<String, String> environment = Map.of("TOKENLOG_BOOTSTRAP", "nonsense");
        assertThat(CommandRun.of(environment, "models").err()).contains("nonsense");
        assertThat(CommandRun.of(environment, "models", "--bootstrap", "other").err())
                .contains("other")
                .doesNotContain("nonsense");
    }

    @Test
    void optionsComeFromAPropertiesFile() throws Exception {
        Files.writeString(folder.resolve("tokenlog.properties"), "bootstrap=from-a-file\n");
        Map<String, String> environment = Map.of("TOKENLOG_HOME", folder.toString());
        assertThat(CommandRun.of(environment, "models").err()).contains("from-a-file");
    }

    @Test
    void aSettingsFileThatIsMissingIsNamed() {
        CommandRun run = CommandRun.of("models", "--properties", folder.resolve("p").toString());
        assertThat(run.status()).isEqualTo(ExitStatus.USAGE);
        assertThat(run.err()).contains(folder.resolve("p").toString());
    }

    @Test
    void completionIsAShellScriptThatKnowsTheCommands() {
        CommandRun run = CommandRun.of("completion");
        assertThat(run.status()).isZero();
        assertThat(run.out()).startsWith("#!/usr/bin/env bash").contains("dead-letters");
    }
}
