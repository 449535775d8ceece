package dev.tokenlog.engine.transformer;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;

import dev.tokenlog.engine.compute.KvCache;
import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.transformer.PrefixCache.KnownPage;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;

/// A sequence whose keys and values lie in pages of a pool: first those that it shares, which are
/// full and never written to, then its own.
final class PagedSequence implements Sequence, KvCache {

    private final PagePool pool;
    private final RotaryTables tables;
    private final IntConsumer beforeGrowing;
    private final List<MemorySegment> pages = new ArrayList<>();

    /// The first of the pages, as far as they are shared.
    private final List<KnownPage> known = new ArrayList<>();

    private boolean shares;
    private boolean tablesAreShared;
    private List<RotaryTable> rotaries;
    private int textTokens;
    private int rotatable;
    private int[] text = new int[PAGE_POSITIONS];
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
        rotaries = List.of(tables.of(tokens));
        textTokens = tokens;
        rotatable = tables.longest(tokens);
        tablesAreShared = tables.areShared(tokens);
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
            publish();
            truncate(0);
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
        return rotaries.get(index);
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public int makeRoom(int tokens) {
        if (closed) {
            throw new IllegalStateException("the sequence is closed");
        }
        beforeGrowing.accept(tokens);
        publish();
        if (length < sharedPositions() && !ownLastPage()) {
            return length;
        }
        while (capacity() < tokens) {
            MemorySegment page = pool.take();
            if (page == null) {
                break;
            }
            pages.add(page);
        }
        reserveText(capacity());
        reserveRotaries();
        return capacity();
    }

    private void reserveText(int tokens) {
        if (tokens > text.length) {
            text = Arrays.copyOf(text, Math.max(tokens, 2 * text.length));
        }
    }

    /// After a truncation to the middle of a shared page: goes on in a copy.
    private boolean ownLastPage() {
        MemorySegment own = pool.take();
        if (own == null) {
            return false;
        }
        KnownPage shared = known.removeLast();
        own.copyFrom(shared.memory());
        pages.set(known.size(), own);
        pool.known().release(shared);
        return true;
    }

    private int capacity() {
        return pages.size() * PAGE_POSITIONS;
    }

    private int sharedPositions() {
        return known.size() * PAGE_POSITIONS;
    }

    private KnownPage lastKnown() {
        return known.isEmpty() ? null : known.getLast();
    }

    @Override
    public int reuse(int[] wanted, int tokens) {
        if (tokens < length || !Arrays.equals(wanted, 0, length, text, 0, length)) {
            throw new IllegalArgumentException("another text than that of the sequence");
        }
        shares = true;
        publish();
        while (mayShare() && length == sharedPositions() && length + PAGE_POSITIONS < tokens) {
            KnownPage page = pool.known().find(rotaries, lastKnown(), wanted, length);
            if (page == null) {
                break;
            }
            append(page, wanted);
        }
        return length;
    }

    private void append(KnownPage page, int[] wanted) {
        if (known.size() == pages.size()) {
            pages.add(page.memory());
        } else {
            pool.giveBack(pages.set(known.size(), page.memory()));
        }
        known.add(page);
        reserveText(length + PAGE_POSITIONS);
        System.arraycopy(wanted, length, text, length, PAGE_POSITIONS);
        length += PAGE_POSITIONS;
    }

    /// Makes known what has become full since. Not in the step that filled it: only afterwards it
    /// is certain that its numbers are finite and its tokens are kept.
    private void publish() {
        while (mayShare() && sharedPositions() + PAGE_POSITIONS <= length) {
            int index = known.size();
            MemorySegment own = pages.get(index);
            KnownPage page =
                    pool.known().publish(rotaries, lastKnown(), text, sharedPositions(), own);
            known.add(page);
            if (page.memory() != own) {
                pages.set(index, page.memory());
                pool.giveBack(own);
            }
        }
    }

    private boolean mayShare() {
        return shares && tablesAreShared && !nonFinite;
    }

    /// Nothing that it has not published yet will be.
    void keepToItself() {
        shares = false;
    }

    @Override
    public void truncate(int newLength) {
        if (newLength < 0 || newLength > length) {
            throw new IllegalArgumentException(
                    "cannot truncate " + length + " tokens to " + newLength);
        }
        length = newLength;
        while (known.size() > Math.ceilDiv(newLength, PAGE_POSITIONS)) {
            pages.remove(known.size() - 1);
            pool.known().release(known.removeLast());
        }
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
        if (position >= capacity() || position < sharedPositions()) {
            throw new IllegalStateException(
                    "position " + position + " has not been reserved: room for " + capacity());
        }
        scheduled++;
    }

    /// Counts one more token as stored.
    void append(int token) {
        text[length++] = token;
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            publish();
            truncate(0);
            pages.forEach(pool::giveBack);
            pages.clear();
        }
    }
}
