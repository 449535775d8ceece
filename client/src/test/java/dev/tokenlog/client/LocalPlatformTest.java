package dev.tokenlog.client;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LocalPlatformTest {

    @TempDir Path data;

    @Test
    void aRunningPlatformIsFoundAndADeadOneIsNot() throws Exception {
        LocalPlatform mine =
                new LocalPlatform(
                        ProcessHandle.current().pid(),
                        "127.0.0.1:9092",
                        "a.",
                        "http://127.0.0.1:80/",
                        "compute: SCALAR");
        mine.write(data);
        assertThat(LocalPlatform.running(data)).contains(mine);

        Process ended = new ProcessBuilder(java(), "--version").start();
        ended.getInputStream().readAllBytes();
        ended.waitFor();
        new LocalPlatform(ended.pid(), "127.0.0.1:9092", "", "", "").write(data);
        assertThat(LocalPlatform.running(data)).isEmpty();

        LocalPlatform.remove(data);
        assertThat(data).isEmptyDirectory();
    }

    @Test
    void aDamagedDescriptionIsNoPlatform() throws IOException {
        Files.writeString(data.resolve("platform.properties"), "process.id=many");
        assertThat(LocalPlatform.running(data)).isEmpty();
    }

    @Test
    void homeFollowsTheEnvironmentInTheDocumentedOrder() {
        Path user = Path.of("/home/u");
        assertThat(LocalPlatform.home(Map.of("TOKENLOG_HOME", "/t", "XDG_DATA_HOME", "/x"), user))
                .isEqualTo(Path.of("/t"));
        assertThat(LocalPlatform.home(Map.of("XDG_DATA_HOME", "/x"), user))
                .isEqualTo(Path.of("/x/tokenlog"));
        assertThat(LocalPlatform.home(Map.of("XDG_DATA_HOME", "relative"), user))
                .isEqualTo(Path.of("/home/u/.local/share/tokenlog"));
    }

    private static String java() {
        return Path.of(System.getProperty("java.home"), "bin", "java").toString();
    }
}
