package dev.tokenlog.inference.model;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.OptionalLong;

/// How much memory models may take unless the configuration says it.
public final class ModelMemory {

    /// The configuration key of the budget.
    public static final String KEY = "tokenlog.inference.models.memory-bytes";

    private ModelMemory() {}

    /// @param configured missing: [#standardBudget]
    /// @throws IllegalArgumentException naming the key, if it is below 1
    public static long budget(OptionalLong configured) {
        if (configured.isPresent() && configured.getAsLong() < 1) {
            throw new IllegalArgumentException(
                    KEY + "=" + configured.getAsLong() + ": at least 1 is expected");
        }
        return configured.orElseGet(ModelMemory::standardBudget);
    }

    /// Half of the machine's memory, or of what its control group (a container) may use: the other
    /// half is for the heap, which takes a quarter by default, for keys and values, and for the
    /// page cache.
    public static long standardBudget() {
        OperatingSystemMXBean system =
                (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getTotalMemorySize() / 2;
    }
}
