package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CancellationException;
import java.util.function.Function;

/// A conversion that does not wait for the digests of its source, which take about as long as the
/// rest: it works in a folder of no particular name, and tells nobody of its tensors. When the
/// digests are known, the folder gets the name by which the next attempt finds it, unless there is
/// one already, and it tells what was found.
final class EarlyStart implements ConversionListener, AutoCloseable {

    /// An earlier attempt has left its work, or another one is under way.
    static final class BegunBefore extends RuntimeException {

        private static final long serialVersionUID = 1;

        private BegunBefore() {
            super("there is another attempt", null, true, false);
        }
    }

    private final SourceModel source;
    private final SourceFiles.Reading reading;
    private final ArtifactStore store;
    private final Function<SourceFiles, String> key;
    private final ConversionListener listener;
    private final WorkFolder work;
    private final List<TensorDone> untold = new ArrayList<>();
    private SourceFiles files;
    private boolean settled;

    /// Whether the next attempt finds the folder.
    private boolean kept;

    /// @param key the name of a working folder for what was read
    /// @param listener is told
    EarlyStart(
            SourceModel source,
            SourceFiles.Reading reading,
            ArtifactStore store,
            Function<SourceFiles, String> key,
            ConversionListener listener) {
        this.source = source;
        this.reading = reading;
        this.store = store;
        this.key = key;
        this.listener = listener;
        store.sweep();
        this.work = store.work(ArtifactStore.BEGUN + UUID.randomUUID());
    }

    WorkFolder work() {
        return work;
    }

    /// Waits for the digests, if they are not known yet, and tells what was found.
    ///
    /// @throws BegunBefore if there is another attempt
    /// @throws CancellationException if the listener says so
    SourceFiles settle() {
        if (files == null) {
            SourceFiles found = reading.files(listener::isCancelled);
            source.refuseChanges(); // tensors and digests are of the same bytes
            files = found;
            kept = work.rename(key.apply(files));
            requireGoOn();
            tellSource();
            if (!kept) {
                throw new BegunBefore();
            }
            settled = true;
            for (TensorDone tensor : untold) {
                requireGoOn();
                listener.tensorDone(tensor);
            }
            untold.clear();
        }
        requireGoOn();
        return files;
    }

    private void tellSource() {
        try {
            listener.sourceFound(Converter.found(source, files));
        } catch (EngineException refused) {
            kept = false; // what was made of these files is of no use
            throw refused;
        }
    }

    private void requireGoOn() {
        if (listener.isCancelled()) {
            throw new CancellationException("the conversion was cancelled");
        }
    }

    @Override
    public void tensorDone(TensorDone tensor) {
        if (settled) {
            listener.tensorDone(tensor);
        } else {
            untold.add(tensor);
            if (reading.isDone()) {
                settle();
            }
        }
    }

    @Override
    public boolean isCancelled() {
        return listener.isCancelled();
    }

    /// Leaves nothing that nobody would find.
    @Override
    public void close() {
        try (work) {
            if (!kept) {
                store.discard(work);
            }
        }
    }
}
