package dev.tokenlog.engine.transformer;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.compute.KvLayout;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.util.ArrayDeque;

/// Pages of the KV cache, outside the heap, as many as a budget of bytes allows. A page that comes
/// back is given out again; memory goes back to the system when the pool closes.
final class PagePool implements AutoCloseable {

    private static final Logger LOG = System.getLogger(PagePool.class.getName());
    private static final long CACHE_LINE = 64;

    private final Arena arena = Arena.ofShared();
    private final SegmentAllocator memory;
    private final ArrayDeque<MemorySegment> free = new ArrayDeque<>();
    private final PrefixCache known = new PrefixCache(this::giveBack);
    private final KvLayout layout;
    private final KvAccount account;
    private final long budget;
    private final long budgetPages;

    /// Less than the budget's while the machine has no more memory.
    private volatile long limit;

    private volatile long allocated;
    private volatile int unoccupied;

    /// @param budget bytes
    /// @throws EngineException if the budget does not hold a page
    PagePool(KvLayout layout, long budget) {
        this(layout, budget, KvAccount.PROCESS, null);
    }

    /// @param account shared with other pools
    /// @param memory null: the system's
    PagePool(KvLayout layout, long budget, KvAccount account, SegmentAllocator memory) {
        this.layout = layout;
        this.budget = budget;
        this.account = account;
        this.memory = memory == null ? arena : memory;
        this.budgetPages = budget / Math.max(1, layout.pageBytes());
        this.limit = budgetPages;
        if (budgetPages < 1) {
            throw new EngineException(
                    Reason.PARAMETER_OUT_OF_RANGE,
                    "%s is %d bytes; one page of this model's KV cache, %d tokens, takes %d"
                            .formatted(KvBudget.KEY, budget, PAGE_POSITIONS, layout.pageBytes()));
        }
    }

    KvLayout layout() {
        return layout;
    }

    /// Full pages that can be shared.
    PrefixCache known() {
        return known;
    }

    /// A page with unspecified content: a free one, a new one, or the least recently used of those
    /// that are kept for texts to come. The latter before a new one where all pools of the account
    /// have much.
    ///
    /// @return null if sequences hold all that there may be
    MemorySegment take() {
        if (unoccupied + known.kept() == allocated) {
            limit = budgetPages; // nobody holds a page: the machine may have memory again
        }
        MemorySegment page = free.poll();
        unoccupied = free.size();
        if (page == null && !account.hasRoom(layout.pageBytes(), budget)) {
            page = known.evict();
        }
        if (page == null && allocated < limit) {
            page = allocate();
        }
        return page == null ? known.evict() : page;
    }

    private MemorySegment allocate() {
        try {
            MemorySegment page = memory.allocate(layout.pageBytes(), CACHE_LINE);
            allocated = allocated + 1;
            account.add(layout.pageBytes());
            return page;
        } catch (OutOfMemoryError e) {
            LOG.log(
                    Level.WARNING,
                    "no memory for more than {0} pages of {1} bytes of KV cache, of {2} that {3}"
                            + " allows: {4}",
                    allocated,
                    layout.pageBytes(),
                    budgetPages,
                    KvBudget.KEY,
                    e.getMessage());
            limit = allocated;
            return null;
        }
    }

    void giveBack(MemorySegment page) {
        free.push(page);
        unoccupied = free.size();
    }

    /// From any thread.
    KvPages pages() {
        int kept = known.kept();
        return new KvPages(
                PAGE_POSITIONS,
                layout.pageBytes(),
                limit,
                Math.max(0, allocated - unoccupied - kept),
                kept,
                known.evicted());
    }

    @Override
    public void close() {
        arena.close();
        account.add(-allocated * layout.pageBytes());
        allocated = 0;
    }
}
