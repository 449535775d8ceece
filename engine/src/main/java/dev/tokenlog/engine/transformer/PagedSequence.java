package dev.tokenlog.engine.transformer;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;

import dev.tokenlog.engine.compute.KvCache;
import dev.tokenlog.engine.compute.KvLayout;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntConsumer;

/// A sequence whose keys and values lie in pages of a pool.
final class PagedSequence implements Sequence, KvCache {

    private final PagePool pool;
    private final RotaryTables tables;
    private final IntConsumer beforeGrowing;
    private final List<MemorySegment> pages = new ArrayList<>();
    private RotaryTable[] rotaries;
    private int textTokens;
    private int rotatable;
    private int length;
    private int scheduled;
    private boolean closed;
    private volatile boolean nonFinite;

    /// @param beforeGrowing told how many positions there will be, so that the executor can make
    ///   room in what it keeps per position
    PagedSequence(PagePool pool, RotaryTables tables, IntConsumer beforeGrowing) {
        this.pool = pool;
        this.tables = tables;
        this.beforeGrowing = beforeGrowing;
        chooseRotaries(0);
    }

    private void chooseRotaries(int tokens) {
        rotaries = tables.of(tokens);
        textTokens = tokens;
        rotatable = tables.longest(tokens);
        reserveRotaries();
    }

    private void reserveRotaries() {
        for (RotaryTable rotary : rotaries) {
            rotary.reserve(capacity());
        }
    }

    @Override
    public int fit(int tokens) {
        if (!tables.alike(textTokens, tokens)) {
            length = 0;
            chooseRotaries(tokens);
        }
        return length;
    }

    @Override
    public int fitted() {
        return rotatable;
    }

    /// The table of a plan's rotary.
    RotaryTable rotary(int index) {
        return rotaries[index];
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public void reserve(int tokens) {
        if (closed) {
            throw new IllegalStateException("the sequence is closed");
        }
        beforeGrowing.accept(tokens);
        while (capacity() < tokens) {
            pages.add(pool.take());
        }
        reserveRotaries();
    }

    private int capacity() {
        return pages.size() * PAGE_POSITIONS;
    }

    @Override
    public void truncate(int newLength) {
        if (newLength < 0 || newLength > length) {
            throw new IllegalArgumentException(
                    "cannot truncate " + length + " tokens to " + newLength);
        }
        length = newLength;
    }

    @Override
    public boolean isNonFinite() {
        return nonFinite;
    }

    /// From any worker thread.
    void markNonFinite() {
        nonFinite = true;
    }

    boolean belongsTo(PagePool other) {
        return pool == other;
    }

    @Override
    public KvLayout layout() {
        return pool.layout();
    }

    @Override
    public MemorySegment page(int index) {
        return pages.get(index);
    }

    /// Begins to check the positions of a batch.
    void beginScheduling() {
        scheduled = length;
    }

    /// Checks that the next token of a batch follows the one before and has room.
    void schedule(int position) {
        if (position != scheduled) {
            throw new IllegalArgumentException(
                    "position " + position + " where " + scheduled + " comes next");
        }
        if (position >= rotatable) {
            throw new IllegalStateException(
                    "position "
                            + position
                            + " is rotated otherwise than those before: the sequence has not been"
                            + " fitted to its length");
        }
        if (position >= capacity()) {
            throw new IllegalStateException(
                    "position " + position + " has not been reserved: room for " + capacity());
        }
        scheduled++;
    }

    /// Counts one more token as stored.
    void append() {
        length++;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            length = 0;
            pages.forEach(pool::giveBack);
            pages.clear();
        }
    }
}
