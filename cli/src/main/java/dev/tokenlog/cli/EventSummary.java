package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.ConversionEvent.ArtifactWritten;
import dev.tokenlog.contracts.ConversionEvent.ConversionAccepted;
import dev.tokenlog.contracts.ConversionEvent.ConversionFailed;
import dev.tokenlog.contracts.ConversionEvent.ConversionFinished;
import dev.tokenlog.contracts.ConversionEvent.FileDigest;
import dev.tokenlog.contracts.ConversionEvent.ProvenanceSigned;
import dev.tokenlog.contracts.ConversionEvent.SourceDownloading;
import dev.tokenlog.contracts.ConversionEvent.SourceResolved;
import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import dev.tokenlog.contracts.ConversionRequest;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.TokenEvent.GenerationFailed;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.TokenEvent.TokensGenerated;
import dev.tokenlog.contracts.WorkerEvent.EvictionReason;
import dev.tokenlog.contracts.WorkerEvent.LoadReason;
import dev.tokenlog.contracts.WorkerEvent.ModelEvicted;
import dev.tokenlog.contracts.WorkerEvent.ModelLoadFailed;
import dev.tokenlog.contracts.WorkerEvent.ModelLoaded;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/// An event in one line for people: the type, and what matters in it. Types without a sentence of
/// their own show their fields.
final class EventSummary {

    /// Said by the line's own place, or too long to help.
    private static final Set<String> LEFT_OUT =
            Set.of(
                    "type",
                    "conversion_id",
                    "generation_id",
                    "model_id",
                    "validation_id",
                    "replay_id",
                    "prompt_offset");

    private EventSummary() {}

    static String of(Event event) {
        return event.type() + " " + details(event);
    }

    static String details(Event event) {
        return switch (event) {
            case ConversionAccepted e ->
                    "%s as %s, asked for by %s, by encoder %s on worker %s"
                            .formatted(
                                    e.source(),
                                    recipe(e.recipe()),
                                    e.requestedBy() == null ? "nobody by name" : e.requestedBy(),
                                    e.encoderVersion(),
                                    e.workerId());
            case SourceDownloading e ->
                    "%s: %,.1f of %,.1f MB, %,.1f MB/s, %d of %d files%s"
                            .formatted(
                                    e.source(),
                                    e.bytesDone() / 1e6,
                                    e.bytesTotal() / 1e6,
                                    e.bytesPerSecond() / 1e6,
                                    e.filesDone(),
                                    e.files(),
                                    e.note() == null ? "" : "; " + e.note());
            case SourceResolved e when e.repository() != null ->
                    "%s, %s, %d tensors, %,d parameters, %s; %s"
                            .formatted(
                                    e.location(),
                                    e.family(),
                                    e.tensors(),
                                    e.parameters(),
                                    e.dtype(),
                                    files(e));
            case SourceResolved e ->
                    "%s, %d tensors, %,d parameters, %s; %s"
                            .formatted(
                                    e.family(), e.tensors(), e.parameters(), e.dtype(), files(e));
            case TensorConverted e ->
                    "%d of %d: %s %s, relative error %s"
                            .formatted(
                                    e.number(),
                                    e.of(),
                                    e.name(),
                                    e.quantization(),
                                    percent(e.relativeError()));
            case ArtifactWritten e ->
                    "%s, %,d bytes, %.2f bits per weight"
                            .formatted(e.modelDigest(), e.bytes(), e.bitsPerWeight());
            case ProvenanceSigned e ->
                    "%s by key %s (%s), about manifest %s"
                            .formatted(
                                    e.provenance().file(),
                                    brief(e.provenance().keyId()),
                                    e.provenance().algorithm(),
                                    brief(e.manifestSha256()));
            case ConversionFinished e ->
                    "%s is %s, %.1fx smaller than FP32, in %d ms"
                            .formatted(
                                    e.modelId(),
                                    brief(e.modelDigest()),
                                    e.ratioToFp32(),
                                    e.totalMs());
            case ConversionFailed e -> e.code() + ": " + e.message();
            case ModelLoaded e ->
                    "%s %s, %,d bytes in %d ms, %s; %,d of %,d bytes taken"
                            .formatted(
                                    e.modelId(),
                                    brief(e.modelDigest()),
                                    e.bytes(),
                                    e.durationMs(),
                                    e.reason() == LoadReason.PINNED
                                            ? "pinned"
                                            : "asked for by a prompt",
                                    e.loadedBytes(),
                                    e.budgetBytes());
            case ModelLoadFailed e ->
                    "%s %s: %s: %s"
                            .formatted(e.modelId(), brief(e.modelDigest()), e.code(), e.message());
            case ModelEvicted e ->
                    "%s %s after %d generations: %s; %,d bytes free again in %d ms"
                            .formatted(
                                    e.modelId(),
                                    brief(e.modelDigest()),
                                    e.generations(),
                                    e.reason() == EvictionReason.NOT_SERVED
                                            ? "not served any more, and another needs room"
                                            : "least recently used, and another needs room",
                                    e.bytes(),
                                    e.durationMs());
            case ModelManifest e ->
                    "%s is %s (%s)"
                            .formatted(e.modelId(), brief(e.modelDigest()), e.quantization());
            case AccuracyMeasured e -> measured(e);
            case ValidationFinished e -> verdict(e);
            case ModelServing e ->
                    "%s is %s%s"
                            .formatted(
                                    e.modelId(),
                                    e.state(),
                                    e.current() == null
                                            ? ""
                                            : ": " + brief(e.current().modelDigest()));
            case GenerationStarted e ->
                    "attempt %d, model %s %s, %s, seed %s, worker %s"
                            .formatted(
                                    e.attempt(),
                                    e.modelId(),
                                    brief(e.modelDigest()),
                                    e.numericsId(),
                                    e.seed(),
                                    e.workerId());
            case TokensGenerated e ->
                    "%d to %d: %s"
                            .formatted(
                                    e.index(),
                                    e.index() + e.tokenIds().size() - 1,
                                    quoted(e.text()));
            case GenerationFinished e ->
                    "%s after %s tokens, token hash %s"
                            .formatted(
                                    e.reason(),
                                    e.usage() == null ? "-" : e.usage().completionTokens(),
                                    brief(e.tokenHash()));
            case GenerationFailed e -> e.code() + ": " + e.message();
            default -> fields(event);
        };
    }

    private static String recipe(ConversionRequest.Recipe recipe) {
        if (recipe == null) {
            return "its source decides";
        }
        String text =
                "%s, groups of %s, scales by %s"
                        .formatted(recipe.code(), recipe.groupSize(), recipe.scales());
        if (recipe.rotation() != null) {
            text += ", rotated by " + recipe.rotation();
        }
        if (recipe.lossySparsity() != null && recipe.lossySparsity() != 0) {
            text += ", %d percent of each row lost".formatted(recipe.lossySparsity());
        }
        return recipe.calibration() == null
                ? text
                : text + ", calibrated by " + recipe.calibration().method();
    }

    /// The largest by name: the weights.
    private static String files(SourceResolved e) {
        if (e.files() == null || e.files().isEmpty()) {
            return "no files";
        }
        FileDigest largest =
                e.files().stream().max(Comparator.comparingLong(FileDigest::bytes)).orElseThrow();
        int others = e.files().size() - 1;
        return "%s %s%s"
                .formatted(
                        largest.path(),
                        brief(largest.sha256()),
                        others == 0 ? "" : " and %d more files".formatted(others));
    }

    private static String measured(AccuracyMeasured e) {
        return "%s%s = %s%s%s"
                .formatted(
                        e.check(),
                        e.subject() == null ? "" : " of " + e.subject(),
                        number(e.value()),
                        e.threshold() == null ? "" : ", asked for " + number(e.threshold()),
                        e.passed() == null ? "" : e.passed() ? ": passed" : ": FAILED");
    }

    private static String verdict(ValidationFinished e) {
        if (e.code() != null) {
            return "%s: %s %s"
                    .formatted(e.verdict(), e.code(), e.message() == null ? "" : e.message());
        }
        return "%s by %s: perplexity %s against %s, KL divergence %s nats, top-1 agreement %s, %s tokens scored"
                .formatted(
                        e.verdict(),
                        e.policy(),
                        number(e.perplexity()),
                        number(e.baselinePerplexity()),
                        number(e.meanKlDivergence()),
                        percent(e.top1Agreement()),
                        e.positions());
    }

    private static String fields(Event event) {
        List<String> parts = new ArrayList<>();
        for (Map.Entry<String, JsonNode> field : Json.of(event).properties()) {
            if (!LEFT_OUT.contains(field.getKey())) {
                JsonNode value = field.getValue();
                parts.add(
                        field.getKey()
                                + "="
                                + (value.isTextual()
                                        ? brief(value.textValue())
                                        : brief(Json.text(value))));
            }
        }
        return String.join(" ", parts);
    }

    /// Digests by their beginning: enough to compare by eye.
    static String brief(String text) {
        if (text == null) {
            return "-";
        }
        if (text.matches("(sha256-)?[0-9a-f]{64}")) {
            int prefix = text.startsWith("sha256-") ? "sha256-".length() : 0;
            return text.substring(0, prefix + 12) + "...";
        }
        return text.length() > 100 ? text.substring(0, 97) + "..." : text;
    }

    static String number(Double value) {
        return value == null ? "-" : String.format(Locale.ROOT, "%.4g", value);
    }

    static String percent(Double share) {
        return share == null ? "-" : String.format(Locale.ROOT, "%.2f %%", share * 100);
    }

    private static String quoted(String text) {
        return Json.text(Json.of(text == null ? "" : text));
    }
}
