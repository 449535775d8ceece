package dev.tokenlog.engine.compute;

/// What was found out about one kind of kernels on this machine. Finding out never throws.
public sealed interface KernelProbe {

    String name();

    /// It multiplied a small known matrix correctly.
    record Usable(String name, String detail, Kernels kernels) implements KernelProbe {}

    /// @param remedy what the reader can do about it
    record Unusable(String name, String reason, String remedy) implements KernelProbe {}
}
