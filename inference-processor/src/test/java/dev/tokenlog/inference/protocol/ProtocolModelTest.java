package dev.tokenlog.inference.protocol;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The quick scenes of the explicit-state model that is kept with the rules.
class ProtocolModelTest {

    private static final Path MODEL = Path.of("protocol-model", "protocol_model.py");

    @BeforeAll
    static void python() throws Exception {
        boolean found;
        try {
            found = new ProcessBuilder("python3", "--version").start().waitFor() == 0;
        } catch (IOException e) {
            found = false;
        }
        if (!found) {
            System.out.println("skipped: the protocol model needs python3");
        }
        assumeTrue(found, "the protocol model needs python3");
    }

    private static String run(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("python3", MODEL.toString()));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(5, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(output).isZero();
        return output;
    }

    @Test
    void theRulesHold() throws Exception {
        String output = run("new-poison-early,new-poison,new-join,new-order", "60");
        assertThat(output.lines().filter(line -> line.startsWith("==")))
                .hasSize(4)
                .allMatch(line -> line.endsWith("; no violation"))
                .noneMatch(line -> line.contains("CUT OFF"));
    }

    @ParameterizedTest
    @CsvSource({
        "without-fence, hash",
        "without-done, commit before an end",
        "without-claim_first, goes round without a fault",
        "without-reclaim, lost prompt",
        "without-stop_on_lost, hash"
    })
    void withoutOneOfThemTheyDoNot(String scene, String violation) throws Exception {
        assertThat(run(scene, "60", violation)).contains("VIOLATIONS").contains(violation);
    }
}
