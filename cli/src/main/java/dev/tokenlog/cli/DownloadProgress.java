package dev.tokenlog.cli;

import dev.tokenlog.artifactstore.hub.HubProgress;
import dev.tokenlog.contracts.ConversionEvent.SourceDownloading;

/// A download in one line: share, rate, time left, and why nothing moves where nothing does.
final class DownloadProgress implements AutoCloseable {

    private final Progress progress;
    private String whole = "";

    DownloadProgress(Terminal terminal, String what) {
        this.progress = new Progress(terminal, what);
    }

    /// Nothing is drawn for what was in the cache.
    void show(HubProgress p) {
        if (p.bytesReceived() > 0 || !p.note().isEmpty()) {
            show(
                    p.bytesDone(),
                    p.bytesTotal(),
                    p.bytesPerSecond(),
                    p.filesDone(),
                    p.files(),
                    p.note());
        }
    }

    void show(SourceDownloading e) {
        show(
                e.bytesDone(),
                e.bytesTotal(),
                e.bytesPerSecond(),
                e.filesDone(),
                e.files(),
                e.note() == null ? "" : Terminal.oneLine(e.note()));
    }

    private void show(long done, long total, long rate, int filesDone, int files, String note) {
        String detail =
                "%,.1f of %,.1f MB, %,.1f MB/s, %d of %d files%s"
                        .formatted(
                                done / 1e6,
                                total / 1e6,
                                rate / 1e6,
                                filesDone,
                                files,
                                note.isEmpty() ? "" : "; " + note);
        if (done >= total) {
            // All is there, and being checked: once is enough.
            if (whole.equals(filesDone + note)) {
                return;
            }
            whole = filesDone + note;
        }
        long millisLeft = rate <= 0 ? -1 : (total - done) * 1000 / rate;
        progress.show(done, total, detail, millisLeft);
    }

    @Override
    public void close() {
        progress.close();
    }
}
