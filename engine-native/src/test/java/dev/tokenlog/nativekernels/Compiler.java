package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// A C compiler, for tests.
///
/// @param command what it is called
/// @param flags for everything that it compiles
record Compiler(String command, List<String> flags) {

    static final Path SOURCES = Path.of("src/main/c").toAbsolutePath();
    static final Path TESTS = Path.of("src/test/c").toAbsolutePath();

    record Outcome(int status, String output) {}

    /// That of this machine.
    static Compiler local(String... flags) {
        return new Compiler("cc", List.of(flags));
    }

    /// Skips the test that calls it where there is none, or where it does not take these flags.
    void assumeAvailable(Path folder) throws Exception {
        Path source = Files.writeString(folder.resolve("try.c"), "int main(void) { return 0; }\n");
        List<String> arguments = List.of(source.toString(), "-o", folder.resolve("try").toString());
        assumeCommand(command);
        Outcome outcome = run(arguments);
        assumeTrue(
                outcome.status() == 0,
                "skipped: %s %s cannot do this: %s".formatted(command, flags, outcome.output()));
    }

    /// Skips the test that calls it where there is no such command.
    static void assumeCommand(String command) throws Exception {
        try {
            execute(List.of(command, "--version"));
        } catch (IOException e) {
            assumeTrue(false, "skipped: no %s: %s".formatted(command, e.getMessage()));
        }
    }

    Outcome run(List<String> arguments) throws Exception {
        return execute(
                Stream.of(List.of(command), flags, arguments).flatMap(List::stream).toList());
    }

    private void runWell(List<String> arguments) throws Exception {
        Outcome outcome = run(arguments);
        assertThat(outcome.status()).describedAs(outcome.output()).isZero();
    }

    /// A library of one source file.
    Path library(String text, Path folder) throws Exception {
        Path source = Files.writeString(folder.resolve("other.c"), text);
        Path library = folder.resolve("libother.so");
        runWell(List.of("-shared", "-fPIC", source.toString(), "-o", library.toString()));
        return library;
    }

    /// Our library, as the build makes it.
    ///
    /// @param sources ours, or a changed copy of them
    Path kernels(Path sources, Path folder) throws Exception {
        List<String> build = new ArrayList<>();
        build.addAll(List.of("sh", SOURCES.resolve("build-library").toString()));
        build.addAll(List.of(sources.toString(), folder.toString()));
        build.addAll(flags);
        Outcome built = execute(build, Map.of("CC", command));
        assertThat(built.status()).describedAs(built.output()).isZero();
        try (Stream<Path> files = Files.walk(folder)) {
            return files.filter(file -> file.endsWith("libtokenlog.so"))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError(built.output()));
        }
    }

    /// One of our test programs.
    ///
    /// @param linked the library, where the program does not load it by itself
    Path program(String source, List<Path> linked, Path folder) throws Exception {
        Path program = folder.resolve(source.replace(".c", ""));
        List<String> arguments = new ArrayList<>();
        arguments.addAll(List.of("-std=gnu11", "-O1", "-pthread", "-ffp-contract=off"));
        arguments.addAll(List.of("-Wall", "-Wextra", "-Werror", "-I" + SOURCES));
        arguments.addAll(List.of("-I" + TESTS, source(source, folder).toString()));
        for (Path library : linked) {
            arguments.add(library.toString());
            arguments.add("-Wl,-rpath," + library.getParent());
        }
        arguments.addAll(List.of("-ldl", "-lm", "-o", program.toString()));
        runWell(arguments);
        return program;
    }

    private static Path source(String name, Path folder) {
        Path own = folder.resolve(name);
        return Files.exists(own) ? own : TESTS.resolve(name);
    }

    static Outcome execute(List<String> command) throws Exception {
        return execute(command, Map.of());
    }

    static Outcome execute(List<String> command, Map<String, String> environment) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Outcome(process.waitFor(), output);
    }
}
