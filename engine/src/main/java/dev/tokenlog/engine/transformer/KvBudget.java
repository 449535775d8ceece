package dev.tokenlog.engine.transformer;

import com.sun.management.OperatingSystemMXBean;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How much memory the KV cache of one executor may take.
public final class KvBudget {

    /// The key of the setting.
    public static final String KEY = "tokenlog.kv.budget";

    private static final int SHARE = 4;
    private static final Pattern SIZE = Pattern.compile("(\\d{1,12})([KMGT]?)");
    private static final String UNITS = "KMGT";

    private KvBudget() {}

    /// A quarter of the memory of the machine, or of the container that the process runs in.
    public static long ofMachine() {
        return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize()
                / SHARE;
    }

    /// A size in bytes, or in binary multiples of them: `800M`, `2G`.
    ///
    /// @throws EngineException if it is none
    public static long bytes(String size) {
        Matcher matcher = SIZE.matcher(size.toUpperCase(Locale.ROOT));
        if (!matcher.matches() || Long.parseLong(matcher.group(1)) == 0) {
            throw new EngineException(
                    Reason.PARAMETER_OUT_OF_RANGE,
                    "%s is '%s', expected bytes, such as 800M or 2G".formatted(KEY, size));
        }
        long unit = 1;
        if (!matcher.group(2).isEmpty()) {
            unit <<= 10 * (1 + UNITS.indexOf(matcher.group(2)));
        }
        return saturated(Long.parseLong(matcher.group(1)), unit);
    }

    private static long saturated(long count, long unit) {
        return count > Long.MAX_VALUE / unit ? Long.MAX_VALUE : count * unit;
    }
}
