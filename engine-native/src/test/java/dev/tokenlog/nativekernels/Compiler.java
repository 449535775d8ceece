package dev.tokenlog.nativekernels;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// The C compiler of this machine, for tests.
final class Compiler {

    static final Path SOURCES = Path.of("src/main/c").toAbsolutePath();
    static final Path TESTS = Path.of("src/test/c").toAbsolutePath();

    record Outcome(int status, String output) {}

    private Compiler() {}

    /// Skips the test that calls it where there is none, or where it does not take these flags.
    static void assumeAvailable(Path folder, String... flags) throws Exception {
        Path source = Files.writeString(folder.resolve("try.c"), "int main(void) { return 0; }\n");
        List<String> arguments = new ArrayList<>(List.of(flags));
        arguments.addAll(List.of(source.toString(), "-o", folder.resolve("try").toString()));
        try {
            Outcome outcome = run(arguments);
            assumeTrue(outcome.status() == 0, "skipped: cc cannot do this: " + outcome.output());
        } catch (IOException e) {
            assumeTrue(false, "skipped: no C compiler: " + e.getMessage());
        }
    }

    static Outcome run(List<String> arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("cc"));
        command.addAll(arguments);
        return execute(command);
    }

    static Outcome execute(List<String> command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Outcome(process.waitFor(), output);
    }
}
