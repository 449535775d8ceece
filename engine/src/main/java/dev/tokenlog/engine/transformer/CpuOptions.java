package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.compute.KvType;
import java.util.Optional;

/// How a [CpuExecutor] runs. None of it but `kv` has any influence on the bits.
///
/// @param compute `auto`, or the kernels to use: see [KernelSelection#select]
/// @param threads that compute, the calling one included
/// @param kv how keys and values are kept; empty: F16 for an artifact, F32 for a source in float
/// @param maxTokens that go through the layers together; longer batches are cut
/// @param kvBudget bytes that keys and values of all sequences may take together
public record CpuOptions(
        String compute, int threads, Optional<KvType> kv, int maxTokens, long kvBudget) {

    /// Tokens that go through the layers together unless asked otherwise.
    public static final int MAX_TOKENS = 64;

    public CpuOptions {
        if (threads < 1 || threads > 1024) {
            throw new IllegalArgumentException("threads: 1 to 1024, not " + threads);
        }
        if (maxTokens < 1) {
            throw new IllegalArgumentException("maxTokens: at least 1, not " + maxTokens);
        }
    }

    public CpuOptions(String compute, int threads, Optional<KvType> kv, int maxTokens) {
        this(compute, threads, kv, maxTokens, KvBudget.ofMachine());
    }

    public CpuOptions(String compute, int threads, Optional<KvType> kv) {
        this(compute, threads, kv, MAX_TOKENS);
    }

    /// The fastest kernels on all processors.
    public static CpuOptions automatic() {
        return new CpuOptions(
                KernelSelection.AUTOMATIC,
                Math.min(1024, Runtime.getRuntime().availableProcessors()),
                Optional.empty());
    }

    public CpuOptions withCompute(String compute) {
        return new CpuOptions(compute, threads, kv, maxTokens, kvBudget);
    }

    public CpuOptions withThreads(int threads) {
        return new CpuOptions(compute, threads, kv, maxTokens, kvBudget);
    }

    public CpuOptions withKv(KvType kv) {
        return new CpuOptions(compute, threads, Optional.of(kv), maxTokens, kvBudget);
    }

    public CpuOptions withKvBudget(long bytes) {
        return new CpuOptions(compute, threads, kv, maxTokens, bytes);
    }
}
