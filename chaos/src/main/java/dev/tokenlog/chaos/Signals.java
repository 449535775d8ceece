package dev.tokenlog.chaos;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/// Signals to other processes.
final class Signals {

    private Signals() {}

    /// @param signal by name, for instance `STOP`
    static void send(long pid, String signal) {
        run("kill", "-" + signal, Long.toString(pid));
    }

    /// From now on its files may not grow beyond this: what a full disk looks like to a process.
    static void limitFiles(long pid, long bytes) {
        run("prlimit", "--pid", Long.toString(pid), "--fsize=" + bytes);
    }

    private static void run(String... command) {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getInputStream().readAllBytes();
            process.waitFor();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    static boolean isStopped(long pid) {
        try {
            String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
            return stat.charAt(stat.lastIndexOf(')') + 2) == 'T';
        } catch (NoSuchFileException e) {
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
