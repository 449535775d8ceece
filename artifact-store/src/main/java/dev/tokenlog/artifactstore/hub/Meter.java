package dev.tokenlog.artifactstore.hub;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;

/// Adds up what the downloads of one model say. Used by all of their threads.
final class Meter {

    private static final long WINDOW_NANOS = 5_000_000_000L;

    private final Map<HubFile, Long> positions = new LinkedHashMap<>();
    private final Map<Object, String> notes = new LinkedHashMap<>();
    private final Deque<long[]> samples = new ArrayDeque<>();
    private int filesDone;
    private long received;

    synchronized void plan(HubFile file) {
        positions.putIfAbsent(file, 0L);
    }

    /// This much of the file is there.
    synchronized void at(HubFile file, long position) {
        positions.put(file, position);
    }

    synchronized void done(HubFile file) {
        positions.put(file, file.bytes());
        filesDone++;
    }

    synchronized void received(long bytes) {
        received += bytes;
    }

    /// @param who says it; an empty note takes it back
    synchronized void note(Object who, String note) {
        if (note.isEmpty()) {
            notes.remove(who);
        } else {
            notes.put(who, note);
        }
    }

    synchronized HubProgress read() {
        long now = System.nanoTime();
        samples.add(new long[] {now, received});
        while (samples.size() > 2 && now - samples.getFirst()[0] > WINDOW_NANOS) {
            samples.removeFirst();
        }
        long[] first = samples.getFirst();
        long nanos = now - first[0];
        long rate = nanos <= 0 ? 0 : (long) ((received - first[1]) * 1e9 / nanos);
        return new HubProgress(
                filesDone,
                positions.size(),
                positions.values().stream().mapToLong(Long::longValue).sum(),
                positions.keySet().stream().mapToLong(HubFile::bytes).sum(),
                received,
                rate,
                String.join("; ", notes.values().stream().distinct().toList()));
    }
}
