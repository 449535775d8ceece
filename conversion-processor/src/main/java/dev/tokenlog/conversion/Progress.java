package dev.tokenlog.conversion;

import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.ConversionEvent.ArtifactWritten;
import dev.tokenlog.contracts.ConversionEvent.ConversionAccepted;
import dev.tokenlog.contracts.ConversionEvent.ConversionCancelled;
import dev.tokenlog.contracts.ConversionEvent.ConversionFailed;
import dev.tokenlog.contracts.ConversionEvent.ConversionFinished;
import dev.tokenlog.contracts.ConversionEvent.ConversionResumed;
import dev.tokenlog.contracts.ConversionEvent.ManifestPublished;
import dev.tokenlog.contracts.ConversionEvent.SourceDownloading;
import dev.tokenlog.contracts.ConversionEvent.SourceResolved;
import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import java.util.HashMap;
import java.util.Map;

/// How far a conversion has come, by what `conversion-events` holds of it: a pure fold.
///
/// @param accepted whether anybody has begun it
/// @param sourceResolved whether the source has been reported
/// @param commit of a source of the hub, once it has been reported; else null
/// @param tensors digest of every tensor reported so far, by name; empty once it has ended
/// @param ended whether there is a terminal event; what comes after it is void
record Progress(
        boolean accepted,
        boolean sourceResolved,
        String commit,
        Map<String, String> tensors,
        boolean ended) {

    static final Progress NONE = new Progress(false, false, null, Map.of(), false);

    Progress {
        tensors = Map.copyOf(tensors);
    }

    Progress after(ConversionEvent event) {
        if (ended) {
            return this;
        }
        return switch (event) {
            case ConversionAccepted _ -> new Progress(true, sourceResolved, commit, tensors, false);
            case SourceResolved source ->
                    new Progress(accepted, true, source.revision(), tensors, false);
            case TensorConverted tensor -> {
                Map<String, String> more = new HashMap<>(tensors);
                more.put(tensor.name(), String.valueOf(tensor.sha256()));
                yield new Progress(accepted, sourceResolved, commit, more, false);
            }
            case ConversionResumed _, SourceDownloading _, ArtifactWritten _, ManifestPublished _ ->
                    this;
            case ConversionFinished _, ConversionFailed _, ConversionCancelled _ ->
                    new Progress(accepted, sourceResolved, commit, Map.of(), true);
        };
    }
}
