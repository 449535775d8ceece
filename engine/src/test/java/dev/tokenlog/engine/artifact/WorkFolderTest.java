package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Who works where, when several want the same folder.
class WorkFolderTest {

    @TempDir Path temp;

    /// Another process, which asks the operating system for the lock.
    static final class Probe {
        public static void main(String[] args) throws IOException {
            try (FileChannel channel =
                    FileChannel.open(Path.of(args[0]), StandardOpenOption.WRITE)) {
                System.out.println(channel.tryLock() == null ? "held" : "free");
            }
        }
    }

    private static String askAnotherProcess(Path folder) throws IOException, InterruptedException {
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xshare:auto",
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Probe.class.getName(),
                                folder.resolve("lock").toString())
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        String said = process.inputReader().readLine();
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        return said;
    }

    @Test
    void aFolderThatGetsAnotherNameStaysLocked() throws Exception {
        Path named = temp.resolve("named");
        try (WorkFolder work = WorkFolder.lock(temp.resolve("begun")).orElseThrow()) {
            Files.writeString(work.artifact().resolve("file"), "x");

            assertThat(work.rename("named")).isTrue();

            assertThat(temp.resolve("begun")).doesNotExist();
            assertThat(work.artifact()).isEqualTo(named.toRealPath().resolve("artifact"));
            assertThat(work.artifact().resolve("file")).hasContent("x");
            assertThat(WorkFolder.lock(named)).isEmpty();
            assertThat(askAnotherProcess(named)).isEqualTo("held");
            WorkFolder.lock(temp.resolve("begun")).orElseThrow().close();
        }
        WorkFolder.lock(named).orElseThrow().close();
    }

    @Test
    void aNameThatThereIsIsNotTaken() throws Exception {
        Path named = temp.resolve("named");
        WorkFolder.lock(named).orElseThrow().close(); // left by an earlier attempt
        try (WorkFolder work = WorkFolder.lock(temp.resolve("begun")).orElseThrow()) {
            assertThat(work.rename("named")).isFalse();

            assertThat(askAnotherProcess(temp.resolve("begun"))).isEqualTo("held");
            try (WorkFolder other = WorkFolder.lock(named).orElseThrow()) {
                assertThat(work.rename("named")).isFalse();
                assertThat(other.path()).exists();
            }
        }
    }

    /// Of a file that is closed, POSIX forgets all locks that the process has.
    @Test
    void whoFailsToGetAFolderDoesNotTakeItFromItsHolder() throws Exception {
        Path folder = temp.resolve("work");
        WorkFolder held = WorkFolder.lock(folder).orElseThrow();
        assertThat(WorkFolder.lock(folder)).isEmpty();
        assertThat(WorkFolder.lock(temp.resolve("x/../work"))).isEmpty();
        Path link = Files.createSymbolicLink(temp.resolve("link"), temp);
        assertThat(WorkFolder.lock(link.resolve("work"))).isEmpty();

        assertThat(askAnotherProcess(folder)).isEqualTo("held");

        held.close();
        assertThat(askAnotherProcess(folder)).isEqualTo("free");
        try (WorkFolder again = WorkFolder.lock(folder).orElseThrow()) {
            assertThat(again.artifact()).isDirectory();
        }
    }

    /// A disk that is not mounted: nobody has just deleted that, so nobody may wait for it.
    @Test
    void aLinkToNowhereIsAnError() throws IOException {
        Path link = Files.createSymbolicLink(temp.resolve("store"), temp.resolve("not mounted"));
        for (Path folder : List.of(link, link.resolve("work"))) {
            assertThatThrownBy(() -> WorkFolder.lock(folder))
                    .isInstanceOfSatisfying(
                            EngineException.class,
                            e -> assertThat(e.reason()).isEqualTo(Reason.STORAGE_FAILED));
        }
    }

    /// To lock a folder makes files in it, which whoever is deleting it does not expect.
    @Test
    void whatIsBeingDeletedIsNotLockedAndGoesWhenItIsOld() throws IOException {
        ArtifactStore store = new ArtifactStore(temp.resolve("store"));
        Path doomed = temp.resolve("store/.work/deleted-1");
        Files.createDirectories(doomed);
        Files.writeString(doomed.resolve("weights"), "x");

        assertThat(store.deleteLeftovers(Duration.ofHours(1))).isZero();
        assertThat(doomed).isDirectoryContaining("glob:**weights");
        assertThat(doomed.resolve("lock")).doesNotExist();
        assertThat(store.deleteLeftovers(Duration.ofHours(-1))).isOne();
        assertThat(doomed).doesNotExist();
    }

    /// As a process does that waits for the same artifact: it makes the folder and opens the lock,
    /// at any moment.
    @Test
    void whoWaitsDoesNotMakeTheOneFailThatHasTheArtifact() throws Exception {
        ArtifactStore made = new ArtifactStore(temp.resolve("made"));
        String digest;
        Path original;
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"));
                Artifact artifact =
                        new Converter(1)
                                .convert(
                                        source,
                                        Recipe.parse("int4"),
                                        made,
                                        new ConversionListener() {})) {
            digest = artifact.digest().orElseThrow();
            original = artifact.folder();
        }
        ArtifactStore store = new ArtifactStore(temp.resolve("store"));
        Path folder = store.root().resolve(".work").resolve("fetch-" + digest);
        AtomicBoolean ended = new AtomicBoolean();
        AtomicInteger waited = new AtomicInteger();
        Thread waiting =
                Thread.ofPlatform()
                        .start(() -> {
                            while (!ended.get()) {
                                waitOnce(folder);
                                waited.incrementAndGet();
                            }
                        });
        try {
            for (int i = 0; i < 25; i++) {
                Path received =
                        store.receive(digest, (artifact, notes) -> copy(original, artifact));
                assertThat(received.resolve("manifest.json")).exists();
                assertThat(store.delete(digest, Instant.now().plusSeconds(60))).isTrue();
            }
        } finally {
            ended.set(true);
            waiting.join();
        }
        assertThat(waited).hasPositiveValue();
    }

    private static void waitOnce(Path folder) {
        try {
            Files.createDirectories(folder.resolve("artifact"));
            FileChannel.open(
                            folder.resolve("lock"),
                            StandardOpenOption.CREATE,
                            StandardOpenOption.WRITE)
                    .close();
        } catch (NoSuchFileException | FileAlreadyExistsException e) {
            // It has just been taken away: the next round makes it again.
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static void copy(Path from, Path to) {
        try (var files = Files.list(from)) {
            List<Path> all = files.toList();
            for (Path each : all) {
                Files.copy(
                        each,
                        to.resolve(each.getFileName()),
                        java.nio.file.StandardCopyOption.REPLACE_EXISTING);
            }
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
