package dev.tokenlog.validation;

import dev.tokenlog.contracts.AccuracyEvent;
import dev.tokenlog.contracts.AccuracyEvent.CandidateReplayed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayDiverged;
import dev.tokenlog.contracts.AccuracyEvent.ReplayFailed;
import dev.tokenlog.contracts.AccuracyEvent.ReplayVerified;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.TokenEvent.GenerationStarted;
import dev.tokenlog.contracts.ValidationRequest.CandidateReplayRequested;
import dev.tokenlog.contracts.ValidationRequest.ReplayRequested;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.evaluate.CandidateReport;
import dev.tokenlog.engine.evaluate.ComparisonReport;
import java.nio.file.Path;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import org.apache.kafka.common.header.Headers;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One replay: finds the generation and its model, computes, and tells one event.
final class ReplayRun {

    private static final Logger LOG = LoggerFactory.getLogger(ReplayRun.class);

    /// Nothing can be computed; why, in the contract's terms.
    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1L;
        private final ErrorCode code;

        Refused(ErrorCode code, String message) {
            super(message);
            this.code = code;
        }
    }

    private final Replays replays;
    private final ValidationLog log;
    private final ArtifactFolders artifacts;

    ReplayRun(Replays replays, ValidationLog log, ArtifactFolders artifacts) {
        this.replays = replays;
        this.log = log;
        this.artifacts = artifacts;
    }

    private interface Computation {
        AccuracyEvent run(LoggedGeneration generation, GenerationStarted started);
    }

    /// Returns when the answer is durable.
    ///
    /// @throws CancellationException if it was stopped
    /// @throws ValidationLog.UnavailableException if it has to be tried again
    void verify(String replayId, ReplayRequested request, Headers headers, BooleanSupplier stop) {
        long startedAt = System.nanoTime();
        answer(
                replayId,
                request.modelId(),
                request.generationId(),
                request.partition(),
                request.promptOffset(),
                headers,
                (generation, started) -> {
                    if (!request.modelId().equals(started.modelId())) {
                        throw new Refused(
                                ErrorCode.MODEL_UNKNOWN,
                                "the generation was made by %s, not by %s"
                                        .formatted(started.modelId(), request.modelId()));
                    }
                    Replays.Outcome outcome =
                            replays.verify(
                                    generation,
                                    artifact(started.modelId(), started.modelDigest()),
                                    new Replays.Settings(request.compute(), request.threads()),
                                    stop);
                    String numericsId = generation.log().holder().orElseThrow().numericsId();
                    long millis = (System.nanoTime() - startedAt) / 1_000_000;
                    return outcome.equal()
                            ? new ReplayVerified(
                                    replayId,
                                    started.modelId(),
                                    started.generationId(),
                                    started.modelDigest(),
                                    numericsId,
                                    generation.log().tokenCount(),
                                    outcome.compute(),
                                    millis)
                            : new ReplayDiverged(
                                    replayId,
                                    started.modelId(),
                                    started.generationId(),
                                    started.modelDigest(),
                                    numericsId,
                                    outcome.firstDifference(),
                                    outcome.message(),
                                    outcome.compute(),
                                    millis);
                });
    }

    /// The same for a candidate.
    void compare(
            String replayId,
            CandidateReplayRequested request,
            Headers headers,
            BooleanSupplier stop) {
        long startedAt = System.nanoTime();
        answer(
                replayId,
                request.modelId(),
                request.generationId(),
                request.partition(),
                request.promptOffset(),
                headers,
                (generation, started) -> {
                    ModelManifest candidate =
                            log.manifest(request.modelId(), request.modelDigest())
                                    .orElseThrow(() ->
                                            new Refused(
                                                    ErrorCode.MODEL_UNKNOWN,
                                                    "no manifest of %s%s"
                                                            .formatted(
                                                                    request.modelId(),
                                                                    request.modelDigest() == null
                                                                            ? ""
                                                                            : " has the digest "
                                                                                    + request
                                                                                            .modelDigest())));
                    Replays.Compared compared =
                            replays.compare(
                                    generation,
                                    artifacts.folder(candidate.modelDigest(), candidate.location()),
                                    candidate.modelDigest(),
                                    artifact(started.modelId(), started.modelDigest()),
                                    stop);
                    return replayed(replayId, candidate, started, compared, startedAt);
                });
    }

    private static CandidateReplayed replayed(
            String replayId,
            ModelManifest candidate,
            GenerationStarted started,
            Replays.Compared compared,
            long startedAt) {
        CandidateReport report = compared.report();
        ComparisonReport divergence = report.divergence();
        return new CandidateReplayed(
                replayId,
                candidate.modelId(),
                started.generationId(),
                candidate.modelDigest(),
                compared.numericsId(),
                started.modelId(),
                started.modelDigest(),
                Math.toIntExact(divergence.positions()),
                divergence.meanDivergence(),
                divergence.maxDivergence(),
                divergence.top1Agreement(),
                (double) report.sameChoices() / divergence.positions(),
                report.firstDifference() < 0 ? null : report.firstDifference(),
                divergence.quantizedPerplexity(),
                divergence.baselinePerplexity(),
                (System.nanoTime() - startedAt) / 1_000_000);
    }

    private void answer(
            String replayId,
            String modelId,
            String generationId,
            Integer partition,
            Long promptOffset,
            Headers headers,
            Computation computation) {
        String digest = null;
        AccuracyEvent answer;
        try {
            LoggedGeneration generation =
                    log.generation(generationId, partition, promptOffset)
                            .orElseThrow(() ->
                                    new Refused(
                                            ErrorCode.GENERATION_UNKNOWN,
                                            "the log holds no beginning of generation "
                                                    + generationId));
            GenerationStarted started = generation.log().started().orElseThrow();
            digest = started.modelDigest();
            if (digest == null || started.numericsId() == null || started.parameters() == null) {
                throw new Refused(
                        ErrorCode.UNSUPPORTED,
                        "the prompt was refused before anything was computed");
            }
            if (generation.prompt().isEmpty()) {
                throw new Refused(
                        ErrorCode.LOG_GAP,
                        "the prompt at offset %d of partition %d has been deleted"
                                .formatted(started.promptOffset(), generation.partition()));
            }
            answer = computation.run(generation, started);
        } catch (Refused e) {
            answer = failed(replayId, modelId, generationId, digest, e.code, e.getMessage());
        } catch (EngineException e) {
            answer =
                    failed(
                            replayId,
                            modelId,
                            generationId,
                            digest,
                            ErrorCode.valueOf(e.reason().name()),
                            e.getMessage());
        } catch (CancellationException | ValidationLog.UnavailableException e) {
            throw e;
        } catch (RuntimeException defect) {
            LOG.error("replay failed by a defect id={}", replayId, defect);
            answer =
                    failed(
                            replayId,
                            modelId,
                            generationId,
                            digest,
                            ErrorCode.INTERNAL,
                            defect.toString());
        }
        log.append(answer, headers);
        log.flush();
        LOG.info(
                "replay ended id={} generation={} answer={}",
                replayId,
                generationId,
                answer.type());
    }

    private static ReplayFailed failed(
            String replayId,
            String modelId,
            String generationId,
            String digest,
            ErrorCode code,
            String message) {
        return new ReplayFailed(replayId, modelId, generationId, digest, code, message);
    }

    /// Where the artifact of a digest lies: where its manifest says, or, if that manifest has given
    /// way to a newer one, beside the newer one's.
    private Path artifact(String modelId, String digest) {
        String location =
                log.manifest(modelId, digest)
                        .map(ModelManifest::location)
                        .or(() ->
                                log.manifest(modelId, null)
                                        .map(newer -> beside(newer.location(), digest)))
                        .orElseThrow(() ->
                                new Refused(
                                        ErrorCode.MODEL_UNREADABLE,
                                        "no manifest says where %s with digest %s lies"
                                                .formatted(modelId, digest)));
        return artifacts.folder(digest, location);
    }

    /// Of a path or an address.
    private static String beside(String location, String digest) {
        return location.substring(0, location.lastIndexOf('/') + 1) + digest;
    }
}
