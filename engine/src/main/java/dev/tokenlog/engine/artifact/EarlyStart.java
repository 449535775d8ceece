package dev.tokenlog.engine.artifact;

import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.function.Function;

/// A conversion that does not wait for the digests of its source, which take about as long as the
/// rest: it works in a folder of no particular name, and tells nobody of its tensors. When the
/// digests are known, it tells what was found, and the folder gets the name by which the next
/// attempt finds it, unless an earlier attempt has left one.
final class EarlyStart implements ConversionListener, AutoCloseable {

    /// Somebody has begun already, and it is for the next one to go on with.
    static final class BegunBefore extends RuntimeException {

        private static final long serialVersionUID = 1;

        private BegunBefore() {
            super("an earlier attempt has begun", null, false, false);
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
        this.work = store.work("begun-" + UUID.randomUUID());
    }

    WorkFolder work() {
        return work;
    }

    /// Waits for the digests, if they are not known yet.
    ///
    /// @throws BegunBefore if there is an earlier attempt
    SourceFiles settle() {
        if (files == null) {
            files = reading.files();
            listener.sourceFound(Converter.found(source, files));
            if (!work.rename(key.apply(files))) {
                throw new BegunBefore();
            }
            settled = true;
            untold.forEach(listener::tensorDone);
            untold.clear();
        }
        return files;
    }

    @Override
    public void tensorDone(TensorDone tensor) {
        if (!settled) {
            untold.add(tensor);
            if (reading.isDone()) {
                settle();
            }
        } else {
            listener.tensorDone(tensor);
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
            if (!settled) {
                reading.cancel();
                store.discard(work);
            }
        }
    }
}
