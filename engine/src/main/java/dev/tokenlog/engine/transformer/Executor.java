package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan;

/// Runs a model one step at a time for a batch of sequences. One thread calls it; it may use
/// several inside.
public interface Executor extends AutoCloseable {

    ModelPlan plan();

    /// The arithmetic that this executor follows together with its KV cache, for instance
    /// `cpu-2/kv16`.
    String numericsId();

    /// What computes, in words, for people: kernels, tier, threads.
    String description();

    /// A new, empty sequence. Its cache grows by pages in [Sequence#makeRoom].
    Sequence newSequence();

    /// What has become of the memory for keys and values. From any thread.
    KvPages kvPages();

    /// A batch for this executor that takes up to `maxTokens` tokens and `maxLogits` rows of
    /// logits.
    Batch newBatch(int maxTokens, int maxLogits);

    /// Computes every token of the batch, in order, appends them to their sequences, and fills the
    /// rows of logits that were asked for. Tokens of one sequence stand in ascending positions.
    /// Allocates nothing.
    ///
    /// A sequence whose activations become NaN or infinite is marked [Sequence#isNonFinite]; its
    /// neighbours go on.
    void step(Batch batch);

    @Override
    void close();
}
