package dev.tokenlog.engine.artifact;

import java.util.List;

/// Hears how a conversion goes on, in order, on the thread that called [Converter#convert].
/// Whatever it throws ends the conversion; finished tensors stay for the next attempt, unless it
/// refuses the source by an `EngineException` when it hears what was found.
public interface ConversionListener {

    /// What was found in the source, before the first tensor.
    ///
    /// @param family the configuration's `model_type`
    /// @param tensors to be converted
    /// @param bytes of their data in the source
    /// @param dtype the type that most parameters have in the source
    /// @param files every file that was read, with its digest
    /// @param skipped tensors of the source that are no weights, with the reason
    record SourceFound(
            String family,
            int tensors,
            long parameters,
            long bytes,
            String dtype,
            List<Manifest.FileEntry> files,
            List<Manifest.SkippedTensor> skipped) {}

    /// One finished tensor.
    ///
    /// @param number 1 to `of`, rising by one
    /// @param weight as it will stand in the manifest: name, shape, quantization, digest, bytes,
    ///   errors
    /// @param bytesDone source bytes read so far, of `bytesTotal`
    /// @param reused whether an interrupted conversion had finished it before
    record TensorDone(
            int number,
            int of,
            Manifest.Weight weight,
            long bytesDone,
            long bytesTotal,
            boolean reused) {}

    /// A weight file whose bytes another artifact of the store has as well.
    ///
    /// @param file its name in the artifact's folder
    /// @param with the model digest of the other artifact
    /// @param refused null where both are one file on the disk now; otherwise why each has a copy
    ///   of its own, for instance that the file system has no hard links
    record FileShared(String file, long bytes, String with, String refused) {}

    default void sourceFound(SourceFound source) {}

    /// An earlier conversion of the same source by the same recipe was interrupted; this many of
    /// its tensors are whole and are used again. Each of them is still reported by [#tensorDone].
    default void resumed(int tensorsDone) {}

    default void tensorDone(TensorDone tensor) {}

    /// After the artifact is in the store.
    default void fileShared(FileShared file) {}

    /// Asked often, from any thread; true ends the conversion with a `CancellationException`.
    default boolean isCancelled() {
        return false;
    }
}
