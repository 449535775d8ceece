package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The C test program under AddressSanitizer and UndefinedBehaviorSanitizer.
class SanitizedKernelsTest {

    private static final List<String> FLAGS =
            List.of("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all");

    @Test
    void kernelsStayWithinTheirBuffersAndDefinedBehaviour(@TempDir Path folder) throws Exception {
        Compiler.assumeAvailable(folder, FLAGS.toArray(String[]::new));
        List<String> build = new ArrayList<>();
        build.addAll(List.of("sh", Compiler.SOURCES.resolve("build-library").toString()));
        build.addAll(List.of(Compiler.SOURCES.toString(), folder.toString()));
        build.addAll(FLAGS);
        Compiler.Outcome built = Compiler.execute(build);
        assertThat(built.status()).describedAs(built.output()).isZero();
        Path program = folder.resolve("kernels_test");
        List<String> link = new ArrayList<>(FLAGS);
        link.addAll(
                List.of("-std=gnu11", "-O1", "-ffp-contract=off", "-Wall", "-Wextra", "-Werror"));
        link.addAll(List.of("-I" + Compiler.SOURCES, "-Wl,-rpath," + folder));
        link.add(Compiler.TESTS.resolve("kernels_test.c").toString());
        link.add(folder.resolve("libtokenlog.so").toString());
        link.addAll(List.of("-lm", "-o", program.toString()));
        Compiler.Outcome linked = Compiler.run(link);
        assertThat(linked.status()).describedAs(linked.output()).isZero();

        String seed = Long.toUnsignedString(new Random().nextLong());
        Compiler.Outcome outcome = Compiler.execute(List.of(program.toString(), seed));

        assertThat(outcome.status()).describedAs("seed %s:%n%s", seed, outcome.output()).isZero();
        assertThat(outcome.output()).containsPattern("[1-9][0-9]* cases");
    }
}
