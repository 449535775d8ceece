package dev.tokenlog.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// What a figure has to say about where it was measured.
final class Machine {

    private static final Path CPU_INFO = Path.of("/proc/cpuinfo");

    private Machine() {}

    /// The processor's name, where the system tells it.
    static String processor() {
        try {
            if (Files.exists(CPU_INFO)) {
                for (String line : Files.readAllLines(CPU_INFO)) {
                    if (line.startsWith("model name")) {
                        return line.substring(line.indexOf(':') + 1).strip();
                    }
                }
            }
        } catch (IOException e) {
            return "unknown (" + e.getMessage() + ")";
        }
        return System.getProperty("os.arch");
    }

    /// The commit of the sources that this was built in, or `unknown` for a released archive.
    static String commit() {
        String root = System.getProperty("tokenlog.root");
        if (root == null) {
            return "unknown";
        }
        try {
            Process git =
                    new ProcessBuilder(
                                    List.of("git", "-C", root, "describe", "--always", "--dirty"))
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start();
            git.getOutputStream().close();
            String text =
                    new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            return git.waitFor() == 0 && !text.isEmpty() ? text : "unknown";
        } catch (IOException e) {
            return "unknown";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "unknown";
        }
    }
}
