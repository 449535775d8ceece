package dev.tokenlog.engine.transformer;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;

/// Full pages of the KV cache, found by the text that they hold. A page is a node of a tree: it
/// holds the keys and values of its own tokens after those of the pages above it, so the way from
/// the root to it is the whole text, and each step down compares token ids, never a hash alone.
/// What a page holds never changes; sequences that begin alike share it.
///
/// Pages that no sequence uses are kept until their memory is needed: the least recently used one
/// goes first, and a page always after those below it.
final class PrefixCache {

    /// A full page.
    static final class KnownPage {
        private final Map<Ids, KnownPage> below;
        private final Ids ids;
        private final MemorySegment memory;
        private final Map<Ids, KnownPage> next = new HashMap<>();
        private final long epoch;
        private int users;

        private KnownPage(
                Map<Ids, KnownPage> below, Ids ids, MemorySegment memory, long epoch, int users) {
            this.below = below;
            this.ids = ids;
            this.memory = memory;
            this.epoch = epoch;
            this.users = users;
        }

        MemorySegment memory() {
            return memory;
        }
    }

    /// Token ids of one page. Equal only if all ids are.
    private record Ids(int[] ids) {

        static Ids at(int[] text, int from) {
            return new Ids(Arrays.copyOfRange(text, from, from + PAGE_POSITIONS));
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Ids that && Arrays.equals(ids, that.ids);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(ids);
        }

        @Override
        public String toString() {
            return Arrays.toString(ids);
        }
    }

    private final Consumer<MemorySegment> free;

    /// First pages, by the rotary tables that their keys have been rotated with: the very same
    /// tables, since other ones may give other keys for the same text.
    private final Map<List<RotaryTable>, Map<Ids, KnownPage>> beginnings = new HashMap<>();

    /// Without users, the least recently used first. A sequence lets go of its last page first, so
    /// that a page stands before those above it.
    private final LinkedHashSet<KnownPage> unused = new LinkedHashSet<>();

    private long epoch;
    private volatile int kept;
    private volatile long evicted;

    /// @param free takes the memory of a page that is known no more
    PrefixCache(Consumer<MemorySegment> free) {
        this.free = free;
    }

    /// The page with these tokens behind another page; whoever gets it uses it.
    ///
    /// @param tables of the text's rotary positions
    /// @param last the page before, null at the beginning of the text
    /// @param from where in the text the page begins
    /// @return null if there is none
    KnownPage find(List<RotaryTable> tables, KnownPage last, int[] text, int from) {
        Map<Ids, KnownPage> level = last == null ? beginnings.get(tables) : last.next;
        KnownPage page = level == null ? null : level.get(Ids.at(text, from));
        if (page != null) {
            use(page);
        }
        return page;
    }

    /// Makes a full page known, which is not written to any more. If the same text is known
    /// already, that page is returned and the new one is not needed. Either way the caller uses it.
    KnownPage publish(
            List<RotaryTable> tables, KnownPage last, int[] text, int from, MemorySegment memory) {
        Map<Ids, KnownPage> level =
                last == null ? beginnings.computeIfAbsent(tables, t -> new HashMap<>()) : last.next;
        Ids ids = Ids.at(text, from);
        KnownPage page = level.get(ids);
        if (page == null) {
            page = new KnownPage(level, ids, memory, last == null ? epoch : last.epoch, 1);
            level.put(ids, page);
        } else {
            use(page);
        }
        return page;
    }

    private void use(KnownPage page) {
        page.users++;
        unused.remove(page);
        kept = unused.size();
    }

    /// A user less. Of the pages of a text, the last is to be let go of first.
    void release(KnownPage page) {
        page.users--;
        if (page.users > 0) {
            return;
        }
        if (page.epoch == epoch) {
            unused.add(page);
            kept = unused.size();
        } else {
            page.below.remove(page.ids);
            free.accept(page.memory);
        }
    }

    /// Takes the memory of the page that has been unused longest.
    ///
    /// @return null if there is none
    MemorySegment evict() {
        if (unused.isEmpty()) {
            return null;
        }
        KnownPage page = unused.removeFirst();
        if (!page.next.isEmpty()) {
            throw new IllegalStateException("a page goes before those below it");
        }
        page.below.remove(page.ids);
        kept = unused.size();
        evicted = evicted + 1;
        return page.memory;
    }

    /// Forgets all pages: what was computed is not to be trusted. Those in use go with their users.
    void forget() {
        epoch++;
        beginnings.clear();
        unused.forEach(page -> free.accept(page.memory));
        unused.clear();
        kept = 0;
    }

    /// Pages without users. From any thread.
    int kept() {
        return kept;
    }

    /// From any thread.
    long evicted() {
        return evicted;
    }
}
