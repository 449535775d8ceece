package dev.tokenlog.validation;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubId;
import dev.tokenlog.contracts.AccuracyEvent.AccuracyMeasured;
import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.evaluate.ComparisonReport;
import dev.tokenlog.engine.evaluate.TensorError;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.apache.kafka.common.header.Headers;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One validation: measures, tells every figure, judges by the policy, and tells the verdict last.
final class ValidationRun {

    private static final Logger LOG = LoggerFactory.getLogger(ValidationRun.class);

    /// What is validated.
    ///
    /// @param against folder of the baseline or its hub id, or null if nobody knows one
    /// @param headers of the record that asked for it
    record Subject(
            String validationId,
            ModelManifest manifest,
            String against,
            ValidationPolicy policy,
            Headers headers) {}

    private final Comparison comparison;
    private final ValidationLog log;
    private final Supplier<Hub> hub;
    private final ArtifactFolders artifacts;
    private final String workerId;

    /// @param hub where baselines of the hub come from, with the token of this process
    ValidationRun(
            Comparison comparison,
            ValidationLog log,
            Supplier<Hub> hub,
            ArtifactFolders artifacts,
            String workerId) {
        this.comparison = comparison;
        this.log = log;
        this.hub = hub;
        this.artifacts = artifacts;
        this.workerId = workerId;
    }

    /// Returns when the verdict is durable.
    ///
    /// @param stop true ends it without a verdict
    /// @throws CancellationException if it was stopped
    /// @throws ValidationLog.UnavailableException if it has to be tried again
    void complete(Subject subject, BooleanSupplier stop) {
        long startedAt = System.nanoTime();
        ModelManifest manifest = subject.manifest();
        LOG.info(
                "validation begins id={} model={} digest={} against={}",
                subject.validationId(),
                manifest.modelId(),
                manifest.modelDigest(),
                subject.against());
        ValidationFinished finished = outcome(subject, stop, startedAt);
        log.append(finished, subject.headers());
        log.flush();
        LOG.info(
                "validation ended id={} verdict={} code={} ms={}",
                subject.validationId(),
                finished.verdict(),
                finished.code(),
                finished.totalMs());
    }

    private ValidationFinished outcome(Subject subject, BooleanSupplier stop, long startedAt) {
        ModelManifest manifest = subject.manifest();
        Comparison.Measurement measurement;
        try {
            measurement =
                    comparison.compare(
                            artifacts.folder(manifest.modelDigest(), manifest.location()),
                            manifest.modelDigest(),
                            baseline(subject, stop),
                            stop);
        } catch (EngineException e) {
            return none(subject, code(e), e.getMessage(), startedAt);
        } catch (CancellationException stopped) {
            throw stopped;
        } catch (RuntimeException defect) {
            LOG.error("validation failed by a defect id={}", subject.validationId(), defect);
            return none(subject, ErrorCode.INTERNAL, defect.toString(), startedAt);
        }
        return judge(subject, measurement, startedAt);
    }

    /// A verdict that says only why there is none.
    ValidationFinished none(Subject subject, ErrorCode code, String message, long startedAt) {
        return new ValidationFinished(
                subject.validationId(),
                subject.manifest().modelId(),
                subject.manifest().modelDigest(),
                comparison.numericsId(),
                null,
                subject.policy().name(),
                Verdict.NONE,
                code,
                message,
                null,
                null,
                null,
                null,
                null,
                null,
                millisSince(startedAt),
                workerId);
    }

    private static ErrorCode code(EngineException e) {
        return e.reason() == EngineException.Reason.SOURCE_NOT_FOUND
                ? ErrorCode.SOURCE_GONE
                : ErrorCode.valueOf(e.reason().name());
    }

    /// The same commit as the conversion's: out of the cache where it is there, else downloaded.
    private Path baseline(Subject subject, BooleanSupplier stop) {
        if (subject.against() == null) {
            throw new EngineException(
                    EngineException.Reason.SOURCE_NOT_FOUND,
                    "the manifest names no source to compare with");
        }
        if (HubId.isHubId(subject.against())) {
            HubId id = HubId.parse(subject.against(), null);
            return hub.get()
                    .cachedOrFetch(
                            id, Hub.Part.MODEL, new DownloadLog(subject.validationId(), id), stop)
                    .path();
        }
        try {
            return Path.of(subject.against());
        } catch (InvalidPathException e) {
            throw new EngineException(
                    EngineException.Reason.SOURCE_NOT_FOUND,
                    subject.against() + ": no path of this machine: " + e.getReason(),
                    e);
        }
    }

    private ValidationFinished judge(
            Subject subject, Comparison.Measurement measurement, long startedAt) {
        ComparisonReport report = measurement.report();
        List<ValidationPolicy.Check> checks = subject.policy().check(report);
        for (ValidationPolicy.Check check : checks) {
            measured(
                    subject,
                    report,
                    check.name(),
                    null,
                    check.value(),
                    null,
                    check.threshold(),
                    check.passed(),
                    check.unit());
        }
        report(subject, report);
        for (TensorError tensor : measurement.tensors()) {
            measured(
                    subject,
                    report,
                    "tensor_relative_error",
                    tensor.name(),
                    tensor.relativeL2(),
                    null,
                    null,
                    null,
                    "relative_l2");
        }
        return finished(subject, measurement, checks, startedAt);
    }

    /// Figures that nothing is demanded of.
    private void report(Subject subject, ComparisonReport r) {
        reported(subject, r, "perplexity", r.quantizedPerplexity(), r.baselinePerplexity(), null);
        reported(
                subject,
                r,
                "perplexity_error",
                r.quantizedPerplexityError(),
                r.baselinePerplexityError(),
                null);
        reported(subject, r, "top1_agreement", r.top1Agreement(), null, "share");
        reported(subject, r, "kl_divergence_p99", r.divergence99(), null, "nats");
        reported(subject, r, "kl_divergence_p999", r.divergence999(), null, "nats");
        reported(subject, r, "kl_divergence_max", r.maxDivergence(), null, "nats");
        reported(subject, r, "first_greedy_divergence", r.firstGreedyDivergence(), null, "tokens");
    }

    private void reported(
            Subject subject,
            ComparisonReport report,
            String check,
            double value,
            Double baseline,
            String unit) {
        measured(subject, report, check, null, value, baseline, null, null, unit);
    }

    private void measured(
            Subject subject,
            ComparisonReport report,
            String check,
            String tensor,
            double value,
            Double baseline,
            Double threshold,
            Boolean passed,
            String unit) {
        log.append(
                new AccuracyMeasured(
                        subject.validationId(),
                        subject.manifest().modelId(),
                        subject.manifest().modelDigest(),
                        report.quantizedNumericsId(),
                        check,
                        tensor,
                        finite(value),
                        baseline == null ? null : finite(baseline),
                        threshold,
                        passed,
                        unit),
                subject.headers());
    }

    private ValidationFinished finished(
            Subject subject,
            Comparison.Measurement measurement,
            List<ValidationPolicy.Check> checks,
            long startedAt) {
        ComparisonReport report = measurement.report();
        return new ValidationFinished(
                subject.validationId(),
                subject.manifest().modelId(),
                subject.manifest().modelDigest(),
                report.quantizedNumericsId(),
                report.baselineNumericsId(),
                subject.policy().name(),
                ValidationPolicy.verdict(checks),
                report.finite() ? null : ErrorCode.NON_FINITE,
                message(measurement, checks),
                report.documents(),
                Math.toIntExact(report.positions()),
                finite(report.quantizedPerplexity()),
                finite(report.baselinePerplexity()),
                finite(report.meanDivergence()),
                finite(report.top1Agreement()),
                millisSince(startedAt),
                workerId);
    }

    /// Which text, and what did not pass.
    private static String message(
            Comparison.Measurement measurement, List<ValidationPolicy.Check> checks) {
        StringBuilder text = new StringBuilder("held-out text ").append(measurement.text());
        for (ValidationPolicy.Check check : checks) {
            if (!check.passed()) {
                text.append(
                        "; %s is %s, at most %s passes"
                                .formatted(
                                        check.name(),
                                        Double.isFinite(check.value())
                                                ? String.format(Locale.ROOT, "%.4f", check.value())
                                                : "not a number",
                                        check.threshold()));
            }
        }
        return text.toString();
    }

    /// JSON has no NaN.
    private static Double finite(double value) {
        return Double.isFinite(value) ? value : null;
    }

    private static long millisSince(long startedAt) {
        return (System.nanoTime() - startedAt) / 1_000_000;
    }
}
