package dev.tokenlog.engine.compute;

import java.util.List;

/// Kernels from outside this module, found on the class path as a
/// [service][java.util.ServiceLoader]. They are chosen by [KernelSelection] like any others.
public interface KernelProvider {

    /// What it found out about its kernels on this machine; never throws, never empty. The first
    /// one may be chosen automatically, the others only if they are named.
    ///
    /// @param portable computes what these kernels have no faster way for
    List<KernelProbe> probe(Kernels portable);
}
