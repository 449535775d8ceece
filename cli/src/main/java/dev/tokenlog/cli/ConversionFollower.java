package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.EventStream;
import dev.tokenlog.client.LogEvent;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.CandidateReplayed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayDiverged;
import dev.tokenlog.contracts.AccuracyEvent.ReplayFailed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayVerified;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
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
import dev.tokenlog.contracts.Event;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/// Shows a conversion and its validation as their events come, in five stages: fetch, quantize,
/// export, validate, report.
final class ConversionFollower {

    /// How a conversion ended well.
    ///
    /// @param begun when its first event was appended
    record Converted(String modelId, String modelDigest, Instant begun) {}

    private final Terminal terminal;
    private final boolean json;
    private Instant begun;
    private String failure = "";

    ConversionFollower(Terminal terminal, boolean json) {
        this.terminal = terminal;
        this.json = json;
    }

    void requested(String conversionId) {
        if (json) {
            terminal.line(Json.text(Json.object().put("conversion_id", conversionId)));
        } else {
            terminal.line("conversion " + conversionId);
        }
    }

    /// Why there is no model; empty while nothing has failed.
    String failure() {
        return failure;
    }

    /// @return empty if it failed or was cancelled; that has been said
    Optional<Converted> follow(EventStream<ConversionEvent> stream, Duration silence) {
        try (DownloadProgress download = new DownloadProgress(terminal, "  fetch   ");
                Progress progress = new Progress(terminal, "  quantize")) {
            ConversionEvent end = stream.forEach(silence, event -> show(event, download, progress));
            return switch (end) {
                case ConversionFinished finished ->
                        Optional.of(
                                new Converted(finished.modelId(), finished.modelDigest(), begun));
                case ConversionFailed failed -> {
                    failure = "%s: %s".formatted(failed.code(), Terminal.oneLine(failed.message()));
                    terminal.err("tokenlog: " + failure);
                    yield Optional.empty();
                }
                case ConversionCancelled _ -> {
                    failure = "cancelled";
                    terminal.err("tokenlog: the conversion was cancelled");
                    yield Optional.empty();
                }
                case ConversionAccepted _,
                        SourceDownloading _,
                        SourceResolved _,
                        TensorConverted _,
                        ArtifactWritten _,
                        ProvenanceSigned _,
                        ManifestPublished _,
                        ConversionResumed _ ->
                        throw new IllegalStateException(end.type() + " ends no conversion");
            };
        }
    }

    private void show(
            LogEvent<ConversionEvent> entry, DownloadProgress download, Progress progress) {
        ConversionEvent event = entry.event();
        if (begun == null) {
            begun = entry.timestamp();
        }
        if (event instanceof SourceDownloading downloading) {
            download.show(downloading);
        } else {
            download.close();
        }
        if (event instanceof TensorConverted tensor) {
            progress.show(tensor.bytesDone(), tensor.bytesTotal(), tensor.name());
        }
        if (json) {
            terminal.line(Json.text(placed(entry)));
            return;
        }
        switch (event) {
            case ConversionAccepted e -> terminal.line("  accepted by worker " + e.workerId());
            case SourceResolved e -> {
                terminal.line(
                        "  fetch     %s: %s, %d tensors, %,d parameters, %s"
                                .formatted(
                                        e.location(),
                                        e.family(),
                                        e.tensors(),
                                        e.parameters(),
                                        e.dtype()));
                if (e.warnings() != null) {
                    e.warnings().forEach(warning -> terminal.line("  warning   " + warning));
                }
            }
            case ConversionResumed e ->
                    terminal.line("  resumed   %d tensors were done".formatted(e.tensorsDone()));
            case ArtifactWritten e -> {
                progress.close();
                terminal.line(
                        "  export    %s, %,d bytes, %.2f bits per weight"
                                .formatted(e.modelDigest(), e.bytes(), e.bitsPerWeight()));
            }
            case ProvenanceSigned e ->
                    terminal.line(
                            "  signed    %s by key %s"
                                    .formatted(
                                            e.provenance().file(),
                                            EventSummary.brief(e.provenance().keyId())));
            case ConversionFinished e ->
                    terminal.line(
                            "  published %s: %.2fx smaller than FP32 and %.2fx smaller than the source, %d ms"
                                    .formatted(
                                            e.modelId(),
                                            e.ratioToFp32(),
                                            e.ratioToSource(),
                                            e.totalMs()));
            case SourceDownloading _,
                    TensorConverted _,
                    ManifestPublished _,
                    ConversionFailed _,
                    ConversionCancelled _ -> {}
        }
    }

    /// The verdict on what was converted, be it an earlier one on the same digest.
    ValidationFinished awaitVerdict(TokenlogClient client, Converted converted, Duration silence) {
        if (!json) {
            terminal.line("  validate  against the FP32 source ...");
        }
        try (EventStream<AccuracyEvent> stream =
                client.followAccuracy(
                        converted.modelId(), converted.modelDigest(), converted.begun())) {
            AccuracyEvent end = measured(stream, converted.modelDigest(), silence);
            return switch (end) {
                case ValidationFinished finished -> finished;
                case AccuracyMeasured _,
                        ReplayVerified _,
                        ReplayDiverged _,
                        ReplayFailed _,
                        CandidateReplayed _ ->
                        throw new IllegalStateException(end.type() + " is no verdict");
            };
        }
    }

    /// To the end, showing what comes.
    ///
    /// @param subject a digest or a model id, for the complaint
    AccuracyEvent measured(EventStream<AccuracyEvent> stream, String subject, Duration silence) {
        try {
            return stream.forEach(silence, this::show);
        } catch (TokenlogException e) {
            if (e.kind() != TokenlogException.Kind.TIMEOUT) {
                throw e;
            }
            throw new CommandFailure(
                    ExitStatus.NO,
                    "no verdict on %s within %d s: 'tokenlog dead-letters list' shows whether the request was given up, 'tokenlog audit %s' what there is"
                            .formatted(EventSummary.brief(subject), silence.toSeconds(), subject),
                    e);
        }
    }

    /// Checks by tensor are in the audit; here only those that speak of the whole model.
    void show(LogEvent<AccuracyEvent> entry) {
        if (json) {
            terminal.line(Json.text(placed(entry)));
            return;
        }
        switch (entry.event()) {
            case AccuracyMeasured measured when measured.subject() == null ->
                    terminal.line("            " + EventSummary.details(measured));
            case ValidationFinished finished -> {
                String line = "  report    " + EventSummary.details(finished);
                terminal.line(
                        finished.verdict() == AccuracyEvent.Verdict.PASS
                                ? terminal.green(line)
                                : terminal.red(line));
            }
            case AccuracyMeasured _,
                    ReplayVerified _,
                    ReplayDiverged _,
                    ReplayFailed _,
                    CandidateReplayed _ -> {}
        }
    }

    private static ObjectNode placed(LogEvent<? extends Event> entry) {
        return ((ObjectNode) Json.of(entry.event()))
                .put("topic", entry.topic().baseName())
                .put("partition", entry.partition())
                .put("offset", entry.offset());
    }
}
