package dev.tokenlog.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How much memory this process has had at most: heap, mapped weights and all else together.
public final class ProcessMemory {

    private static final Path STATUS = Path.of("/proc/self/status");

    /// `VmHWM: 229244 kB`: the peak resident set size, proc_pid_status(5).
    private static final Pattern PEAK = Pattern.compile("(?m)^VmHWM:\\s+([0-9]{1,15}) kB$");

    private ProcessMemory() {}

    /// In bytes; empty where the operating system does not tell (other than Linux).
    public static OptionalLong peak() {
        if (!Files.isReadable(STATUS)) {
            return OptionalLong.empty();
        }
        try {
            return peak(Files.readString(STATUS));
        } catch (IOException e) {
            // A figure for people; a generation does not fail for it.
            return OptionalLong.empty();
        }
    }

    static OptionalLong peak(String status) {
        Matcher matcher = PEAK.matcher(status);
        return matcher.find()
                ? OptionalLong.of(Long.parseLong(matcher.group(1)) * 1024)
                : OptionalLong.empty();
    }
}
