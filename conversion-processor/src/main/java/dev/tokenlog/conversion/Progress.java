package dev.tokenlog.conversion;

import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionEvent.ArtifactWritten;
import dev.tokenlog.contracts.ConversionEvent.ConversionAccepted;
import dev.tokenlog.contracts.ConversionEvent.ConversionCancelled;
import dev.tokenlog.contracts.ConversionEvent.ConversionFailed;
import dev.tokenlog.contracts.ConversionEvent.ConversionFinished;
import dev.tokenlog.contracts.ConversionEvent.ConversionResumed;
import dev.tokenlog.contracts.ConversionEvent.ManifestPublished;
import dev.tokenlog.contracts.ConversionEvent.ProvenanceSigned;
import dev.tokenlog.contracts.ConversionEvent.SourceDownloading;
import dev.tokenlog.contracts.ConversionEvent.SourceResolved;
import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;

/// How far a conversion has come, by what `conversion-events` holds of it.
final class Progress {

    private boolean accepted;
    private boolean sourceResolved;
    private String commit;
    private Map<String, String> tensors = new HashMap<>();
    private boolean ended;

    /// Takes in the next event of the conversion.
    void note(ConversionEvent event) {
        if (ended) {
            return;
        }
        switch (event) {
            case ConversionAccepted _ -> accepted = true;
            case SourceResolved source -> {
                sourceResolved = true;
                commit = source.revision();
            }
            case TensorConverted tensor ->
                    tensors.put(tensor.name(), String.valueOf(tensor.sha256()));
            case ConversionResumed _,
                    SourceDownloading _,
                    ArtifactWritten _,
                    ProvenanceSigned _,
                    ManifestPublished _ -> {}
            case ConversionFinished _, ConversionFailed _, ConversionCancelled _ -> {
                ended = true;
                tensors = Map.of();
            }
        }
    }

    /// This moment of it.
    Progress copy() {
        Progress copy = new Progress();
        copy.accepted = accepted;
        copy.sourceResolved = sourceResolved;
        copy.commit = commit;
        copy.tensors = new HashMap<>(tensors);
        copy.ended = ended;
        return copy;
    }

    /// Whether anybody has begun it.
    boolean accepted() {
        return accepted;
    }

    /// Whether the source has been reported.
    boolean sourceResolved() {
        return sourceResolved;
    }

    /// Of a source of the hub, once it has been reported; else null.
    String commit() {
        return commit;
    }

    /// The digest of every tensor reported so far, by name; empty once it has ended.
    Map<String, String> tensors() {
        return Collections.unmodifiableMap(tensors);
    }

    /// Whether there is a terminal event; what comes after it is void.
    boolean ended() {
        return ended;
    }
}
