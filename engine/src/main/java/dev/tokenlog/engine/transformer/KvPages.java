package dev.tokenlog.engine.transformer;

/// The pages of an executor's KV cache at one moment.
///
/// @param positions tokens of one page
/// @param pageBytes memory of one page
/// @param limit most pages that there may be
/// @param held pages that sequences hold; one that several share counts once
/// @param kept pages that no sequence holds, kept for texts that begin like theirs
/// @param evicted kept pages that had to make room, since the executor opened
public record KvPages(
        int positions, long pageBytes, long limit, long held, long kept, long evicted) {

    /// Pages for a text of this many tokens.
    public long pagesFor(long tokens) {
        return Math.ceilDiv(tokens, positions);
    }

    /// Pages that sequences can still get; kept ones make room.
    public long available() {
        return limit - held;
    }

    /// Memory of all pages that there may be.
    public long limitBytes() {
        return limit * pageBytes;
    }

    /// Memory of those in use, kept ones included.
    public long usedBytes() {
        return (held + kept) * pageBytes;
    }
}
