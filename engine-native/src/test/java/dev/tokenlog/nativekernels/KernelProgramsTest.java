package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The C test programs: `kernels_test` for what Java calls, `programs_test` for what other programs
/// call, on this processor, under sanitizers, and on an emulated AArch64.
class KernelProgramsTest {

    private static final String EMULATOR = "qemu-aarch64-static";

    /// Shared, so that each compiler makes the library once.
    @TempDir private static Path all;

    @TempDir private Path folder;

    @Test
    void kernelsStayWithinTheirBuffers() throws Exception {
        Compiler compiler = Compiler.local();
        compiler.assumeAvailable(folder);

        kernels(compiler, List.of());
    }

    @Test
    void kernelsStayWithinDefinedBehaviour() throws Exception {
        Compiler compiler = sanitizing();
        compiler.assumeAvailable(folder);

        kernels(compiler, List.of());
    }

    @Test
    void aProgramLoadsTheLibraryAndProvokesEveryError() throws Exception {
        Compiler compiler = Compiler.local();
        compiler.assumeAvailable(folder);

        Compiler.Outcome outcome = program(compiler, List.of(), "memory");

        assertThat(outcome.output()).contains("seen 1: ", "seen 2: ", "seen 3: ", "seen 4: ");
        assertThat(outcome.output()).contains("seen 5: ", "seen 6: ", "seen 7: ", "seen 9: ");
        System.out.println(outcome.output());
    }

    @Test
    void aProgramStaysWithinDefinedBehaviour() throws Exception {
        Compiler compiler = sanitizing();
        compiler.assumeAvailable(folder);

        program(compiler, List.of());
    }

    /// Processors without and with dot products of bytes.
    @ParameterizedTest
    @ValueSource(strings = {"cortex-a53", "cortex-a76"})
    void anEmulatedAArch64GivesTheSameBits(String processor) throws Exception {
        Compiler compiler = new Compiler("aarch64-linux-gnu-gcc", trapping());
        compiler.assumeAvailable(folder);
        Compiler.assumeCommand(EMULATOR);
        List<String> emulator = List.of(EMULATOR, "-cpu", processor, "-L", systemRoot(compiler));

        Compiler.Outcome kernels = kernels(compiler, emulator);
        Compiler.Outcome program = program(compiler, emulator);

        boolean dotProducts = processor.equals("cortex-a76");
        assertThat(kernels.output())
                .contains("neon: all equal")
                .contains(
                        dotProducts
                                ? "neondot: all equal"
                                : "neondot: this processor does not have it");
        if (!dotProducts) {
            assertThat(program.output()).contains("seen 8: ");
        }
    }

    /// Optimized little: sanitizers make so much code of unrolled loops that it takes minutes
    /// otherwise.
    private static Compiler sanitizing() {
        return Compiler.local(
                "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all");
    }

    /// Undefined behaviour ends the program, without a library that would have to be there.
    private static List<String> trapping() {
        return List.of("-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error");
    }

    /// Where the C library of another processor lies.
    private static String systemRoot(Compiler compiler) throws Exception {
        String file = compiler.run(List.of("-print-file-name=libc.so.6")).output().strip();
        return Path.of(file).toRealPath().getParent().getParent().toString();
    }

    private static Path shared(Compiler compiler) {
        return all.resolve(Integer.toHexString(compiler.hashCode()));
    }

    private Compiler.Outcome kernels(Compiler compiler, List<String> emulator) throws Exception {
        Path library = compiler.kernels(Compiler.SOURCES, shared(compiler));
        Path program = compiler.program("kernels_test.c", List.of(library), folder);
        return run(emulator, List.of(program.toString(), seed()));
    }

    private Compiler.Outcome program(Compiler compiler, List<String> emulator, String... more)
            throws Exception {
        Path library = compiler.kernels(Compiler.SOURCES, shared(compiler));
        Path program = compiler.program("programs_test.c", List.of(), folder);
        List<String> command = new ArrayList<>();
        command.addAll(List.of(program.toString(), library.toString(), seed()));
        command.addAll(List.of(more));
        return run(emulator, command);
    }

    private static String seed() {
        return Long.toUnsignedString(new Random().nextLong());
    }

    private static Compiler.Outcome run(List<String> emulator, List<String> command)
            throws Exception {
        List<String> all = new ArrayList<>(emulator);
        all.addAll(command);
        Compiler.Outcome outcome = Compiler.execute(all);
        assertThat(outcome.status()).describedAs("%s:%n%s", all, outcome.output()).isZero();
        assertThat(outcome.output()).containsPattern("[1-9][0-9]* cases");
        return outcome;
    }

    /// What `engine-native/README.md` shows compiles and says what it says there.
    @Test
    void theExampleOfTheReadmeRuns() throws Exception {
        Compiler compiler = Compiler.local();
        compiler.assumeAvailable(folder);
        String readme = Files.readString(Compiler.SOURCES.resolve("../../../README.md"));
        int begin = readme.indexOf("```c\n") + 5;
        Files.writeString(
                folder.resolve("example.c"), readme.substring(begin, readme.indexOf("```", begin)));

        Path library = compiler.kernels(Compiler.SOURCES, shared(compiler));
        Path program = compiler.program("example.c", List.of(library), folder);
        Compiler.Outcome outcome = Compiler.execute(List.of(program.toString()));

        assertThat(outcome.status()).describedAs(outcome.output()).isZero();
        assertThat(outcome.output().lines().toList().getLast()).isEqualTo("3 -3");
    }
}
