package dev.tokenlog.conversion;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubId;
import dev.tokenlog.artifactstore.hub.HubSnapshot;
import dev.tokenlog.artifactstore.object.RemoteArtifacts;
import dev.tokenlog.artifactstore.provenance.ProvenanceFile;
import dev.tokenlog.artifactstore.provenance.SigningKey;
import dev.tokenlog.contracts.ConversionEvent.ArtifactWritten;
import dev.tokenlog.contracts.ConversionEvent.ConversionAccepted;
import dev.tokenlog.contracts.ConversionEvent.ConversionCancelled;
import dev.tokenlog.contracts.ConversionEvent.ConversionFailed;
import dev.tokenlog.contracts.ConversionEvent.ConversionFinished;
import dev.tokenlog.contracts.ConversionEvent.ConversionResumed;
import dev.tokenlog.contracts.ConversionEvent.FileDigest;
import dev.tokenlog.contracts.ConversionEvent.ManifestPublished;
import dev.tokenlog.contracts.ConversionEvent.Provenance;
import dev.tokenlog.contracts.ConversionEvent.ProvenanceSigned;
import dev.tokenlog.contracts.ConversionEvent.SourceResolved;
import dev.tokenlog.contracts.ConversionEvent.TensorConverted;
import dev.tokenlog.contracts.ConversionRequest;
import dev.tokenlog.contracts.ConversionRequest.ConversionRequested;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.Calibration;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Manifest;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.Rotation;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.calibrate.CalibrationFile;
import dev.tokenlog.engine.calibrate.TextCalibrator;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.tokenizer.TextReadiness;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.function.Supplier;
import org.apache.kafka.common.header.Headers;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// One attempt at one conversion: the engine's progress as events. What the log already holds of
/// earlier attempts is not said again.
final class ConversionRun implements ConversionListener {

    private static final Logger LOG = LoggerFactory.getLogger(ConversionRun.class);

    /// What a run needs beside its request.
    ///
    /// @param hub where models of the hub come from, with the token of this process
    /// @param signingKey asked for anew at every conversion; empty: artifacts are not signed
    /// @param remote where several machines find artifacts; missing: they stay where they are made
    /// @param workerId new at every start of the process
    record Workshop(
            ArtifactStore store,
            Converter converter,
            Supplier<Hub> hub,
            Supplier<Optional<SigningKey>> signingKey,
            Optional<RemoteArtifacts> remote,
            String workerId) {}

    private final ConversionRequested request;
    private final Headers headers;
    private final Workshop workshop;
    private final ConversionLog log;
    private final StopSign stop;
    private final long startedAt = System.nanoTime();
    private final Instant startedOn = Instant.now();
    private Optional<SigningKey> signingKey = Optional.empty();
    private Progress before = new Progress();
    private LocatedSource located;
    private List<String> warnings = List.of();
    private Recipe recipe;

    ConversionRun(
            ConversionRequested request,
            Headers headers,
            Workshop workshop,
            ConversionLog log,
            StopSign stop) {
        this.request = request;
        this.headers = headers;
        this.workshop = workshop;
        this.log = log;
        this.stop = stop;
    }

    /// Brings the conversion to its end and returns when the terminal event is durable; returns at
    /// once if the log holds one already.
    ///
    /// @return false if the run was abandoned: nothing has ended, and somebody else goes on
    /// @throws ConversionLog.UnavailableException if it has to be tried again
    boolean complete() {
        before = log.progress(id());
        if (before.ended()) {
            return true;
        }
        try {
            convert();
        } catch (EngineException e) {
            log.append(
                    new ConversionFailed(
                            id(), ErrorCode.valueOf(e.reason().name()), e.getMessage()),
                    headers);
        } catch (ConversionLog.TooLargeException e) {
            log.append(
                    new ConversionFailed(id(), ErrorCode.RECORD_TOO_LARGE, e.getMessage()),
                    headers);
        } catch (CancellationException e) {
            if (stop.isAbandoned()) {
                return false;
            }
            log.append(new ConversionCancelled(id(), stop.cancelledBy()), headers);
        }
        log.flush();
        return true;
    }

    /// For a defect of ours: the conversion ends with it, and the next one has its turn.
    void fail(RuntimeException defect) {
        log.append(new ConversionFailed(id(), ErrorCode.INTERNAL, defect.toString()), headers);
        log.flush();
    }

    private String id() {
        return request.conversionId();
    }

    private void convert() {
        requireGoOn();
        announce();
        // What is wrong with the request is said before anything is downloaded.
        String modelId = modelId();
        Optional<CalibrationFile> text = calibrationText();
        recipe = recipe(text); // refuses what is wrong with the request, whatever the source is
        Converter converter =
                text.map(file -> workshop.converter().with(TextCalibrator.reading(file)))
                        .orElse(workshop.converter());
        signingKey = workshop.signingKey().get();
        located = locate();
        try (SourceModel source = SourceModel.open(located.folder())) {
            // A model that nobody can send text to is refused now, not after its conversion.
            warnings = TextReadiness.warnings(source.folder());
            Converter.Origin origin = located.origin(modelId, source, request.revision());
            if (request.recipe() == null) {
                recipe = source.recipe().orElse(recipe);
            }
            try (Artifact artifact =
                    converter.convert(source, recipe, workshop.store(), origin, this)) {
                requireGoOn();
                publish(artifact, modelId);
            }
        }
    }

    private void announce() {
        log.append(
                before.accepted()
                        ? new ConversionResumed(id(), before.tensors().size(), workshop.workerId())
                        : new ConversionAccepted(
                                id(),
                                request.modelId(),
                                request.source(),
                                request.recipe() == null ? null : filled(request.recipe()),
                                request.requestedBy(),
                                workshop.workerId(),
                                Converter.ENCODER_VERSION),
                headers);
    }

    private static ConversionRequest.Recipe filled(ConversionRequest.Recipe asked) {
        String code = asked == null ? NumberCode.INT4.label() : asked.code();
        return new ConversionRequest.Recipe(
                code,
                asked == null || asked.groupSize() == null
                        ? Integer.valueOf(32)
                        : asked.groupSize(),
                asked == null || asked.scales() == null ? usualScales(code) : asked.scales(),
                asked == null ? null : filled(asked.calibration()),
                asked == null ? null : asked.rotation(),
                asked == null ? null : asked.lossySparsity());
    }

    private static ConversionRequest.Calibration filled(ConversionRequest.Calibration asked) {
        return asked == null
                ? null
                : new ConversionRequest.Calibration(
                        asked.method(),
                        asked.text() == null ? CalibrationFile.BUNDLED : asked.text(),
                        asked.tokens() == null
                                ? Integer.valueOf(Calibration.TOKENS)
                                : asked.tokens(),
                        asked.bits());
    }

    /// The text to calibrate by, if one is asked for.
    private Optional<CalibrationFile> calibrationText() {
        ConversionRequest.Calibration asked =
                request.recipe() == null ? null : request.recipe().calibration();
        if (asked == null) {
            return Optional.empty();
        }
        boolean bundled = asked.text() == null || asked.text().equals(CalibrationFile.BUNDLED);
        return Optional.of(
                bundled ? CalibrationFile.bundled() : CalibrationFile.of(path(asked.text())));
    }

    /// Null for a code that does not exist; that is refused later.
    private static String usualScales(String code) {
        return Arrays.stream(NumberCode.values())
                .filter(known -> known.label().equals(code))
                .map(known -> Recipe.usualScales(known).label())
                .findFirst()
                .orElse(null);
    }

    private LocatedSource locate() {
        if (!HubId.isHubId(request.source())) {
            return new LocatedSource(folder(), Optional.empty());
        }
        HubId id = HubId.parse(request.source(), request.revision());
        DownloadReports reports =
                new DownloadReports(id(), id, event -> log.append(event, headers));
        Hub hub = workshop.hub().get();
        // What an earlier attempt has begun with is gone on with, wherever a branch is now.
        HubSnapshot snapshot =
                before.commit() == null
                        ? hub.fetch(id, Hub.Part.MODEL, reports, this::isCancelled)
                        : hub.cachedOrFetch(
                                id.at(before.commit()), Hub.Part.MODEL, reports, this::isCancelled);
        reports.end();
        return new LocatedSource(snapshot.path(), Optional.of(snapshot));
    }

    private Path folder() {
        return path(request.source());
    }

    private static Path path(String name) {
        try {
            return Path.of(name).toAbsolutePath().normalize();
        } catch (InvalidPathException e) {
            throw new EngineException(
                    EngineException.Reason.SOURCE_NOT_FOUND,
                    name + ": no path of this machine: " + e.getReason(),
                    e);
        }
    }

    private String modelId() {
        if (request.modelId() == null) {
            Path namesake =
                    HubId.isHubId(request.source())
                            ? Path.of(HubId.parse(request.source(), request.revision()).name())
                            : folder();
            return ModelIds.of(namesake)
                    .orElseThrow(() ->
                            new EngineException(
                                    EngineException.Reason.PARAMETER_OUT_OF_RANGE,
                                    request.source()
                                            + ": no model id can be made of its name;"
                                            + " give one (model_id)"));
        }
        if (!ModelIds.isValid(request.modelId())) {
            throw new EngineException(
                    EngineException.Reason.PARAMETER_OUT_OF_RANGE,
                    "model_id: expected letters, digits, '.', '_' and '-', at most 128, beginning"
                            + " with a letter or digit");
        }
        return request.modelId();
    }

    private Recipe recipe(Optional<CalibrationFile> text) {
        ConversionRequest.Recipe filled = filled(request.recipe());
        Recipe usual = Recipe.of(Recipe.codeOf(filled.code()), filled.groupSize());
        Recipe plain =
                new Recipe(
                                usual.code(),
                                usual.groupSize(),
                                usual.embeddingCode(),
                                Recipe.scalesOf(filled.scales()))
                        .rotated(
                                filled.rotation() == null
                                        ? null
                                        : Rotation.parse(filled.rotation()))
                        .sparse(filled.lossySparsity() == null ? 0 : filled.lossySparsity());
        return text.map(file ->
                        plain.calibrated(
                                new Calibration(
                                        Calibration.methodOf(filled.calibration().method()),
                                        filled.calibration().tokens(),
                                        filled.calibration().bits(),
                                        file.sha256())))
                .orElse(plain);
    }

    private void requireGoOn() {
        if (isCancelled()) {
            throw new CancellationException("the conversion was stopped");
        }
    }

    @Override
    public boolean isCancelled() {
        return stop.isGiven();
    }

    @Override
    public void sourceFound(SourceFound source) {
        located.snapshot()
                .ifPresent(snapshot ->
                        source.files().forEach(f -> snapshot.requireDigest(f.path(), f.sha256())));
        if (before.sourceResolved()) {
            return;
        }
        log.append(
                new SourceResolved(
                        id(),
                        located.name(),
                        source.family(),
                        source.tensors(),
                        source.parameters(),
                        source.bytes(),
                        source.dtype(),
                        source.files().stream()
                                .map(f -> new FileDigest(f.path(), f.bytes(), f.sha256()))
                                .toList(),
                        located.snapshot().map(s -> s.id().repository()).orElse(null),
                        located.snapshot().map(s -> s.id().revision()).orElse(null),
                        warnings,
                        new ConversionRequest.Recipe(
                                recipe.code().label(),
                                recipe.groupSize(),
                                recipe.scales().label(),
                                request.recipe() == null
                                        ? null
                                        : filled(request.recipe().calibration()),
                                recipe.rotation() == null ? null : recipe.rotation().canonical(),
                                recipe.lossySparsity() == 0 ? null : recipe.lossySparsity())),
                headers);
    }

    @Override
    public void fileShared(FileShared file) {
        if (file.refused() == null) {
            LOG.info(
                    "weights shared id={} file={} bytes={} with={}",
                    id(),
                    file.file(),
                    file.bytes(),
                    file.with());
        } else {
            LOG.warn(
                    "weights stored twice id={} file={} bytes={} with={} reason={}",
                    id(),
                    file.file(),
                    file.bytes(),
                    file.with(),
                    file.refused());
        }
    }

    @Override
    public void tensorDone(TensorDone done) {
        Manifest.Weight weight = done.weight();
        if (weight.sha256().equals(before.tensors().get(weight.name()))) {
            return;
        }
        Manifest.Errors errors = weight.errors();
        log.append(
                new TensorConverted(
                        id(),
                        done.number(),
                        done.of(),
                        weight.name(),
                        weight.shape(),
                        weight.quantization(),
                        weight.sha256(),
                        weight.bytes(),
                        errors == null ? 0 : errors.relativeL2(),
                        errors == null ? 0 : errors.max(),
                        errors == null ? 1 : errors.cosine(),
                        done.bytesDone(),
                        done.bytesTotal()),
                headers);
    }

    /// The manifest is durable before the conversion says that it is, and both before its end.
    private void publish(Artifact artifact, String modelId) {
        Manifest manifest = artifact.manifest();
        Manifest.Statistics statistics = manifest.statistics();
        Optional<Provenance> provenance = signingKey.map(key -> sign(artifact, key));
        String location = bring(artifact);
        log.append(
                new ArtifactWritten(
                        id(),
                        manifest.modelDigest(),
                        manifest.weightsDigest(),
                        artifact.manifestSha256(),
                        location,
                        statistics.bytes(),
                        statistics.bitsPerWeight()),
                headers);
        provenance.ifPresent(signed ->
                log.append(
                        new ProvenanceSigned(
                                id(), manifest.modelDigest(), artifact.manifestSha256(), signed),
                        headers));
        log.append(summary(artifact, modelId, location, provenance.orElse(null)), headers);
        log.flush();
        log.append(
                new ManifestPublished(
                        id(), modelId, manifest.modelDigest(), artifact.manifestSha256()),
                headers);
        log.append(
                new ConversionFinished(
                        id(),
                        modelId,
                        manifest.modelDigest(),
                        statistics.parameters(),
                        statistics.bytes(),
                        statistics.bitsPerWeight(),
                        statistics.ratioToFp32(),
                        statistics.ratioToSource(),
                        (System.nanoTime() - startedAt) / 1_000_000),
                headers);
    }

    /// To where the workers of other machines find it, before any event names it.
    ///
    /// @return the address of its folder
    private String bring(Artifact artifact) {
        return workshop.remote()
                .map(remote -> remote.publish(artifact, this::requireGoOn))
                .orElseGet(() -> artifact.folder().toString());
    }

    private Provenance sign(Artifact artifact, SigningKey key) {
        ProvenanceFile.Written written =
                ProvenanceFile.sign(
                        artifact,
                        new ProvenanceFile.Invocation(
                                located.name(),
                                request.requestedBy(),
                                id(),
                                startedOn,
                                Instant.now()),
                        key);
        return new Provenance(
                written.file().getFileName().toString(),
                written.sha256(),
                written.key().id(),
                written.key().algorithm().label());
    }

    private ModelManifest summary(
            Artifact artifact, String modelId, String location, Provenance provenance) {
        Manifest manifest = artifact.manifest();
        Manifest.Quantization quantization = manifest.quantization();
        String granularity =
                quantization.granularity().equals("per_row")
                        ? "row"
                        : "g" + quantization.groupSize();
        return new ModelManifest(
                modelId,
                manifest.modelDigest(),
                manifest.weightsDigest(),
                artifact.manifestSha256(),
                location,
                located.name(),
                manifest.model().family(),
                quantization.scheme() + "-" + granularity,
                quantization.bits(),
                manifest.statistics().bitsPerWeight(),
                manifest.statistics().parameters(),
                manifest.statistics().bytes(),
                manifest.weights().size(),
                manifest.model().contextLength(),
                id(),
                Converter.ENCODER_VERSION,
                provenance);
    }
}
