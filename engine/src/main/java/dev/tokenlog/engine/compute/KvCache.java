package dev.tokenlog.engine.compute;

import java.lang.foreign.MemorySegment;

/// The keys and values of one sequence, in pages.
public interface KvCache {

    KvLayout layout();

    /// The page that holds positions `index * PAGE_POSITIONS` and following.
    MemorySegment page(int index);
}
