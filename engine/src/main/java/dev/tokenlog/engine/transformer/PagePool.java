package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.compute.KvLayout;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;

/// Pages of the KV cache, outside the heap. A page that comes back is given out again; memory goes
/// back to the system when the pool closes.
final class PagePool implements AutoCloseable {

    private static final long CACHE_LINE = 64;

    private final Arena arena = Arena.ofShared();
    private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();
    private final KvLayout layout;

    PagePool(KvLayout layout) {
        this.layout = layout;
    }

    KvLayout layout() {
        return layout;
    }

    /// A page with unspecified content.
    MemorySegment take() {
        MemorySegment page = free.poll();
        return page != null ? page : arena.allocate(layout.pageBytes(), CACHE_LINE);
    }

    void giveBack(MemorySegment page) {
        free.push(page);
    }

    @Override
    public void close() {
        arena.close();
    }
}
