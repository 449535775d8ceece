package dev.tokenlog.conversion;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubId;
import dev.tokenlog.artifactstore.hub.HubProgress;
import dev.tokenlog.contracts.ConversionEvent.SourceDownloading;
import java.time.Duration;
import java.util.function.Consumer;

/// Tells of a download often enough that nobody thinks it dead, and seldom enough for a topic that
/// is kept for ever.
final class DownloadReports implements Hub.Listener {

    private static final long PAUSE_NANOS = Duration.ofSeconds(5).toNanos();

    private final String conversionId;
    private final HubId id;
    private final Consumer<SourceDownloading> log;
    private long told = System.nanoTime() - PAUSE_NANOS;
    private HubProgress last;
    private boolean lastTold;

    DownloadReports(String conversionId, HubId id, Consumer<SourceDownloading> log) {
        this.conversionId = conversionId;
        this.id = id;
        this.log = log;
    }

    @Override
    public void progress(HubProgress progress) {
        last = progress;
        lastTold = false;
        boolean something = progress.bytesReceived() > 0 || !progress.note().isEmpty();
        if (something && System.nanoTime() - told >= PAUSE_NANOS) {
            tell();
        }
    }

    /// The last word, unless there was nothing to download.
    void end() {
        if (last != null && !lastTold && last.bytesReceived() > 0) {
            tell();
        }
    }

    private void tell() {
        told = System.nanoTime();
        lastTold = true;
        log.accept(
                new SourceDownloading(
                        conversionId,
                        id.toString(),
                        last.filesDone(),
                        last.files(),
                        last.bytesDone(),
                        last.bytesTotal(),
                        last.bytesPerSecond(),
                        last.note().isEmpty() ? null : last.note()));
    }
}
