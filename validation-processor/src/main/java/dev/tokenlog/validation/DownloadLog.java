package dev.tokenlog.validation;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.artifactstore.hub.HubId;
import dev.tokenlog.artifactstore.hub.HubProgress;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// A line now and then while a baseline is downloaded.
final class DownloadLog implements Hub.Listener {

    private static final Logger LOG = LoggerFactory.getLogger(DownloadLog.class);
    private static final long PAUSE_NANOS = Duration.ofSeconds(10).toNanos();

    private final String validationId;
    private final HubId id;
    private long told = System.nanoTime();

    DownloadLog(String validationId, HubId id) {
        this.validationId = validationId;
        this.id = id;
    }

    @Override
    public void progress(HubProgress progress) {
        if (System.nanoTime() - told < PAUSE_NANOS) {
            return;
        }
        told = System.nanoTime();
        LOG.info(
                "validation downloads its baseline id={} source={} bytes={} of={} note={}",
                validationId,
                id,
                progress.bytesDone(),
                progress.bytesTotal(),
                progress.note());
    }
}
