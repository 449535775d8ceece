package dev.tokenlog.embeddedkafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import dev.tokenlog.embeddedkafka.EmbeddedKafkaException.Reason;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedKafkaTest {

    @TempDir Path folder;

    @Test
    void keepsAcknowledgedRecordsOverKillAndCleanRestart() throws Exception {
        EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(folder));
        try (kafka) {
            Records records = new Records(kafka.bootstrapServers());
            records.createTopic("t");
            records.write("t", "one", "two");
            long first = kafka.processId();

            kafka.kill();
            kafka.restart();

            assertThat(kafka.processId()).isNotEqualTo(first);
            records.write("t", "three");
            assertThat(records.read("t")).containsExactly("one", "two", "three");
        }
        assertThat(kafka.onExit()).succeedsWithin(Duration.ofSeconds(5)).isEqualTo(0);

        // The same data on other ports.
        try (EmbeddedKafka again = EmbeddedKafka.start(EmbeddedKafkaOptions.in(folder))) {
            assertThat(new Records(again.bootstrapServers()).read("t"))
                    .containsExactly("one", "two", "three");
        }
        assertThat(folder.resolve("broker.log")).isNotEmptyFile();
    }

    @Test
    void endsWhenItsParentIsKilled() throws Exception {
        Process parent = parent();
        long broker = Long.parseLong(parent.inputReader().readLine());
        assertThat(ProcessHandle.of(broker)).isPresent();

        parent.destroyForcibly().waitFor();

        await().atMost(Duration.ofSeconds(10))
                .until(() -> ProcessHandle.of(broker).filter(ProcessHandle::isAlive).isEmpty());
    }

    @Test
    void endsAtOnceWhenItsParentIsKilledBeforeItServes() throws Exception {
        Process parent = parent();
        ProcessHandle broker =
                await().atMost(Duration.ofSeconds(20))
                        .until(() -> parent.descendants().findFirst(), Optional::isPresent)
                        .orElseThrow();

        parent.destroyForcibly().waitFor();

        // Far less than a start and a clean end take.
        await().atMost(Duration.ofSeconds(3)).until(() -> !broker.isAlive());
        try (EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(folder))) {
            new Records(kafka.bootstrapServers()).createTopic("started-again");
        }
    }

    private Process parent() throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m",
                        "-cp",
                        System.getProperty(
                                "surefire.test.class.path", System.getProperty("java.class.path")),
                        BrokerParent.class.getName(),
                        folder.toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    @Test
    void secondBrokerOnTheSameFolderIsRefusedAndTheFirstGoesOn() throws Exception {
        try (EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(folder))) {
            assertReason(
                    () -> EmbeddedKafka.start(EmbeddedKafkaOptions.in(folder)),
                    Reason.FOLDER_LOCKED,
                    folder.toString());
            assertReason(
                    () -> InProcessKafka.start(EmbeddedKafkaOptions.in(folder)),
                    Reason.FOLDER_LOCKED,
                    folder.toString());
            new Records(kafka.bootstrapServers()).createTopic("still-here");
        }
    }

    @Test
    void namesAUsedPort() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
            EmbeddedKafkaOptions options =
                    EmbeddedKafkaOptions.in(folder).withPort(taken.getLocalPort());
            assertReason(
                    () -> EmbeddedKafka.start(options),
                    Reason.PORT_IN_USE,
                    "port " + taken.getLocalPort());
        }
    }

    @Test
    void namesAFolderThatCannotBeWritten() throws Exception {
        Path file = Files.writeString(folder.resolve("a file"), "");
        assertReason(
                () -> EmbeddedKafka.start(EmbeddedKafkaOptions.in(file.resolve("below"))),
                Reason.FOLDER_NOT_WRITABLE,
                file.resolve("below").toString());
    }

    @Test
    void saysWhereToLookWhenTheBrokerRefusesItsSettings() {
        EmbeddedKafkaOptions options =
                EmbeddedKafkaOptions.in(folder).withSettings(Map.of("num.io.threads", "none"));
        assertReason(
                () -> EmbeddedKafka.start(options),
                Reason.START_FAILED,
                folder.resolve("broker.log").toString());
    }

    private static void assertReason(ThrowingCallable call, Reason reason, String named) {
        assertThatThrownBy(call)
                .isInstanceOf(EmbeddedKafkaException.class)
                .hasMessageContaining(named)
                .extracting(e -> ((EmbeddedKafkaException) e).reason())
                .isEqualTo(reason);
    }
}
