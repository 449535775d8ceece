/// Kernels in C behind the engine's [dev.tokenlog.engine.compute.Kernels], called through
/// `java.lang.foreign`. Start reading at [dev.tokenlog.nativekernels.NativeKernels], then
/// `src/main/c/kernels.c`.
package dev.tokenlog.nativekernels;
