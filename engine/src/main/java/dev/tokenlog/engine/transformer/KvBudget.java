package dev.tokenlog.engine.transformer;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;

/// How much memory the KV cache of one executor may take.
public final class KvBudget {

    /// The key of the setting.
    public static final String KEY = "tokenlog.kv.budget";

    private static final int SHARE = 4;

    private KvBudget() {}

    /// A quarter of the memory of the machine, or of the container that the process runs in.
    public static long ofMachine() {
        return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getTotalMemorySize()
                / SHARE;
    }
}
