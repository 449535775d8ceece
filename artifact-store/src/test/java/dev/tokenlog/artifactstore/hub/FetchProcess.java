package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// A download in a process of its own: one that can be killed, or be refused a disk.
final class FetchProcess {

    private FetchProcess() {}

    /// Prints the snapshot's folder, or what is wrong.
    public static void main(String[] arguments) {
        HubSettings settings =
                HubSettings.of(System.getenv(), Path.of(System.getenv("HF_HOME")))
                        .withPatience(HubFixture.QUICK);
        try {
            System.out.println(HubFixture.fetch(new Hub(settings), arguments[0]).folder());
        } catch (EngineException e) {
            System.out.println(e.reason() + ": " + e.getMessage());
            System.exit(1);
        }
    }

    /// @param limitKib of any file that it writes; 0 for none
    static Process start(FakeHub hub, Path home, String id, int limitKib) throws IOException {
        List<String> command = new ArrayList<>();
        if (limitKib > 0) {
            command.addAll(
                    List.of("bash", "-c", "ulimit -f " + limitKib + "; exec \"$@\"", "limited"));
        }
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(
                List.of(
                        "-XX:-UsePerfData",
                        "-Xshare:auto",
                        "-XX:TieredStopAtLevel=1",
                        "--enable-native-access=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("java.class.path"),
                        FetchProcess.class.getName(),
                        id));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment()
                .putAll(Map.of("HF_ENDPOINT", hub.endpoint(), "HF_HOME", home.toString()));
        return builder.start();
    }

    static String said(Process process) throws IOException {
        return new String(process.getInputStream().readAllBytes()).strip();
    }
}
