package dev.tokenlog.integration;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Starting, stopping, dying, and starting again.
class LifeCycleIT {

    @TempDir private Path folder;

    @Test
    void dataSurvivesKillMinusNine() throws Exception {
        Path data = folder.resolve("data with a space");
        String first;
        Platform platform = Platform.start(data);
        DemoModel.convert(platform, "demo", 8);
        first = answer(platform);
        platform.kill();

        try (Platform again = Platform.start(data)) {
            assertThat(DemoModel.state(again.bootstrap(), "demo")).isEqualTo("SERVING");
            assertThat(answer(again)).isEqualTo(first);
            StreamJudge.allWell(folder, TopicDump.of(again.bootstrap(), "tokens"));
        }
    }

    @Test
    void sigtermEndsEverythingWithinTenSeconds() throws Exception {
        Platform platform = Platform.start(folder.resolve("data"));
        List<ProcessHandle> children = platform.process().descendants().toList();
        assertThat(children).as("the broker is a child process").isNotEmpty();
        platform.stop();

        await("no child stays behind")
                .atMost(Duration.ofSeconds(2))
                .until(() -> children.stream().noneMatch(ProcessHandle::isAlive));
    }

    @Test
    void ctrlCEndsEverythingWithinTenSeconds() throws Exception {
        assumeTrue(
                takesInterrupts(),
                "this shell makes its children ignore Ctrl-C (a background job does)");
        Platform platform = Platform.start(folder.resolve("data"));
        List<ProcessHandle> children = platform.process().descendants().toList();
        long pid = platform.process().pid();
        new ProcessBuilder("kill", "-INT", Long.toString(pid)).start().waitFor();

        assertThat(platform.process().waitFor(10, TimeUnit.SECONDS)).as(platform.log()).isTrue();
        assertThat(platform.process().exitValue()).isEqualTo(130);
        await("no child stays behind")
                .atMost(Duration.ofSeconds(2))
                .until(() -> children.stream().noneMatch(ProcessHandle::isAlive));
    }

    /// Whether SIGINT, signal 2, is not among those that this process was told to ignore.
    private static boolean takesInterrupts() throws Exception {
        Path status = Path.of("/proc/self/status");
        if (!Files.exists(status)) {
            return true;
        }
        return Files.readAllLines(status).stream()
                .filter(line -> line.startsWith("SigIgn:"))
                .map(line -> Long.parseUnsignedLong(line.substring(7).strip(), 16))
                .noneMatch(ignored -> (ignored & 2) != 0);
    }

    /// A limit on the size of files stands for the disk.
    @Test
    void aDiskThatTakesNoMoreIsOneClearLine() {
        CommandLine.Result result =
                CommandLine.run(
                        Checkout.root(),
                        CommandLine.environment(folder),
                        Duration.ofMinutes(1),
                        List.of(
                                "bash",
                                "-c",
                                "ulimit -f 1000; exec ./tokenlog quantize demo-model/model --bits 4 --out \"$0\"",
                                folder.resolve("full").toString()));

        assertThat(result.status()).as(result.toString()).isIn(1, 3);
        assertThat(result.err())
                .contains("STORAGE_FAILED")
                .contains("full")
                .doesNotContain("\tat ");
    }

    @Test
    void theBrokerDoesNotOutliveAKilledPlatform() throws Exception {
        Platform platform = Platform.start(folder.resolve("data"));
        List<ProcessHandle> children = platform.process().descendants().toList();
        platform.process().destroyForcibly().waitFor();

        await("no child stays behind")
                .atMost(Duration.ofSeconds(10))
                .until(() -> children.stream().noneMatch(ProcessHandle::isAlive));
    }

    @Test
    void aUsedPortIsOneClearLine() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            String port = Integer.toString(taken.getLocalPort());
            CommandLine.Result result =
                    CommandLine.tokenlog(
                            folder,
                            "up",
                            "--data",
                            folder.resolve("d").toString(),
                            "--port",
                            port,
                            "--http-port",
                            "0");

            assertThat(result.status()).as(result.toString()).isEqualTo(3);
            assertThat(result.err()).contains(port).contains("--port").doesNotContain("\tat ");
        }
    }

    @Test
    void aDataFolderThatIsAFileIsOneClearLine() throws Exception {
        Path file = Files.writeString(folder.resolve("file"), "");
        CommandLine.Result result =
                CommandLine.tokenlog(
                        folder,
                        "up",
                        "--data",
                        file.resolve("data").toString(),
                        "--port",
                        "0",
                        "--http-port",
                        "0");

        assertThat(result.status()).as(result.toString()).isEqualTo(3);
        assertThat(result.err()).contains("file").doesNotContain("\tat ");
    }

    @Test
    void withoutAJdkOneClearLineSaysWhatToInstall() {
        CommandLine.Result result =
                CommandLine.run(
                        Checkout.root(),
                        java.util.Map.of(
                                "TOKENLOG_JDK_SEARCH",
                                folder.toString(),
                                "JAVA_HOME",
                                "",
                                "TOKENLOG_NO_BUILD",
                                "1"),
                        Duration.ofSeconds(30),
                        List.of("./tokenlog", "--version"));

        assertThat(result.status()).as(result.toString()).isEqualTo(3);
        assertThat(result.err()).contains("JDK 25");
    }

    private static String answer(Platform platform) {
        CommandLine.Result result =
                platform.tokenlog(
                        "generate",
                        "demo",
                        "What is a partition?",
                        "--temperature",
                        "0",
                        "--max-tokens",
                        "40");
        assertThat(result.status()).as(result.toString()).isZero();
        assertThat(result.out()).containsIgnoringCase("partition");
        return result.out();
    }
}
