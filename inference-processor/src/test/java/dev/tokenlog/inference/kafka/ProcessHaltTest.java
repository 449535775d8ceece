package dev.tokenlog.inference.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.inference.protocol.HaltPoint;
import dev.tokenlog.inference.protocol.HaltPoints;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProcessHaltTest {

    @TempDir private Path folder;

    @Test
    void nothingIsDoneWhereNothingIsConfigured() {
        assertThat(ProcessHalt.of(Optional.empty())).isSameAs(HaltPoints.NONE);
    }

    @Test
    void whatCannotBeMeantIsRefusedByName() {
        for (String wrong :
                new String[] {
                    "in-claim", "in-claim:0:kill", "somewhere:1:kill", "in-claim:1:nap"
                }) {
            assertThatThrownBy(() -> ProcessHalt.of(Optional.of(wrong)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("tokenlog.inference.halt=" + wrong)
                    .hasMessageContaining("before-first-token");
        }
    }

    @Test
    void theThirdPassageKills() throws Exception {
        Process process = halting("in-claim:3:kill");
        assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as("128 + SIGKILL").isEqualTo(137);
        assertThat(said())
                .contains(
                        "passed 2",
                        "halt point in-claim reached by partition=5 prompt_offset=70 attempt=3")
                .doesNotContain("passed 3");
    }

    @Test
    void aCrashIsOneInNativeCode() throws Exception {
        Process process = halting("in-claim:1:crash");
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isNotZero();
        assertThat(said())
                .contains("SIGSEGV", "The crash happened outside the Java Virtual Machine");
    }

    @Test
    void aStopHoldsUntilItIsContinued() throws Exception {
        assumeTrue(Files.isDirectory(Path.of("/proc/self")), "needs Linux: looks into /proc");
        Process process = halting("in-claim:1:stop");
        while (!Files.readString(Path.of("/proc/" + process.pid() + "/stat")).contains(") T ")) {
            assertThat(process.isAlive()).isTrue();
            Thread.sleep(10);
        }
        assertThat(said()).doesNotContain("passed 1");
        new ProcessBuilder("kill", "-CONT", Long.toString(process.pid())).start().waitFor();
        assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isZero();
        assertThat(said()).contains("passed 4");
    }

    private Process halting(String configured) throws Exception {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1",
                        "-XX:-CreateCoredumpOnCrash",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        Passages.class.getName(),
                        configured)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .redirectOutput(folder.resolve("said").toFile())
                .start();
    }

    private String said() throws Exception {
        return Files.readString(folder.resolve("said"));
    }

    /// Passes one point four times.
    static final class Passages {

        private Passages() {}

        public static void main(String[] arguments) {
            HaltPoints halts = ProcessHalt.of(Optional.of(arguments[0]));
            for (int i = 1; i <= 4; i++) {
                halts.reached(HaltPoint.BETWEEN_GROUPS, 5, 70, i);
                halts.reached(HaltPoint.IN_CLAIM, 5, 70, i);
                System.out.println("passed " + i);
            }
        }
    }
}
