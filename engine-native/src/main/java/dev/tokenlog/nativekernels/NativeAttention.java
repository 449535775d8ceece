package dev.tokenlog.nativekernels;

import static dev.tokenlog.nativekernels.LoadedLibrary.LIBRARY;
import static dev.tokenlog.nativekernels.NativeKernels.PRODUCTS_PER_CALL;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.tokenlog.engine.compute.AttentionShape;
import dev.tokenlog.engine.compute.KvCache;
import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.compute.Workspace;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Objects;

/// The KV cache in C: storing keys and values, and attention over them.
final class NativeAttention {

    private static final MethodHandle STORE =
            LIBRARY.question(
                    "tokenlog_store",
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS,
                    JAVA_LONG,
                    JAVA_LONG,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS,
                    JAVA_LONG,
                    ADDRESS,
                    JAVA_LONG);

    private static final MethodHandle ATTEND =
            LIBRARY.kernel(
                    "tokenlog_attend",
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS,
                    JAVA_LONG,
                    JAVA_LONG,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_FLOAT,
                    JAVA_FLOAT,
                    JAVA_INT,
                    JAVA_INT,
                    JAVA_INT,
                    ADDRESS,
                    ADDRESS,
                    JAVA_LONG,
                    JAVA_LONG,
                    ADDRESS,
                    JAVA_LONG,
                    ADDRESS);

    private NativeAttention() {}

    /// `TOKENLOG_KV16` and so on.
    private static int number(KvType type) {
        return switch (type) {
            case KV16 -> 0;
            case KV32 -> 1;
            case KV8 -> 2;
        };
    }

    static boolean store(
            NativeLibrary.Tier tier,
            KvLayout layout,
            MemorySegment page,
            int layer,
            int slot,
            float[] keys,
            int keyOffset,
            float[] values,
            int valueOffset) {
        int heads = layout.keyValueHeads(layer);
        int headSize = layout.headSize(layer);
        // What Java would have found out by itself.
        Objects.checkIndex(slot, KvLayout.PAGE_POSITIONS);
        Objects.checkFromIndexSize(keyOffset, heads * headSize, keys.length);
        Objects.checkFromIndexSize(valueOffset, heads * headSize, values.length);
        Objects.checkFromIndexSize(0, layout.pageBytes(), page.byteSize());
        try {
            int finite =
                    (int)
                            STORE.invokeExact(
                                    tier.number(),
                                    number(layout.type()),
                                    page,
                                    layout.keys(layer, 0),
                                    layout.values(layer, 0),
                                    heads,
                                    headSize,
                                    slot,
                                    MemorySegment.ofArray(keys),
                                    (long) keyOffset,
                                    MemorySegment.ofArray(values),
                                    (long) valueOffset);
            return finite != 0;
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    static void attend(
            NativeLibrary.Tier tier,
            KvCache cache,
            AttentionShape shape,
            int keyValueHead,
            int firstPosition,
            int tokens,
            float[] queries,
            float[] out,
            int offset,
            int stride,
            Workspace workspace) {
        if (tokens == 0) {
            return;
        }
        Objects.checkIndex(keyValueHead, cache.layout().keyValueHeads(shape.layer()));
        check(cache, shape, firstPosition, tokens, queries, out, offset, stride, workspace);
        findPages(cache, shape.firstVisible(firstPosition), firstPosition + tokens, workspace);
        // Tokens, then heads, so few that a call is short.
        long products = 2L * shape.headSize() * (firstPosition + tokens);
        int heads = Math.clamp(PRODUCTS_PER_CALL / products, 1, shape.group());
        int together = heads < shape.group() ? 1 : tokensPerCall(products * heads);
        for (int token = 0; token < tokens; token += together) {
            for (int head = 0; head < shape.group(); head += heads) {
                call(
                        tier,
                        cache.layout(),
                        shape,
                        keyValueHead,
                        Math.min(heads, shape.group() - head),
                        firstPosition + token,
                        Math.min(together, tokens - token),
                        queries,
                        out,
                        offset + token * stride + head * shape.headSize(),
                        stride,
                        workspace);
            }
        }
    }

    private static int tokensPerCall(long products) {
        return Math.clamp(PRODUCTS_PER_CALL / products, 1, Workspace.ATTENTION_TOKENS);
    }

    /// What Java would have found out by itself.
    private static void check(
            KvCache cache,
            AttentionShape shape,
            int firstPosition,
            int tokens,
            float[] queries,
            float[] out,
            int offset,
            int stride,
            Workspace workspace) {
        long groupWidth = (long) shape.group() * shape.headSize();
        long end = offset + (tokens - 1L) * stride + groupWidth;
        if (firstPosition < 0
                || tokens < 0
                || tokens > Workspace.ATTENTION_TOKENS
                || firstPosition + tokens > workspace.positions()
                || (long) tokens * shape.group() * workspace.positions() > workspace.scores().length
                || shape.headSize() * KvLayout.PAGE_POSITIONS > workspace.page().length
                || shape.headSize() != cache.layout().headSize(shape.layer())
                || offset < 0
                || stride < 0
                || end > queries.length
                || end > out.length) {
            throw new IllegalArgumentException(
                    "%s: %d tokens from %d on by %d, room for %d, from %d of %d and %d"
                            .formatted(
                                    shape,
                                    tokens,
                                    firstPosition,
                                    stride,
                                    workspace.positions(),
                                    offset,
                                    queries.length,
                                    out.length));
        }
    }

    /// Addresses of the pages of positions `first` to `end`; the caller keeps them alive.
    private static void findPages(KvCache cache, int first, int end, Workspace workspace) {
        long bytes = cache.layout().pageBytes();
        int lastPage = (end - 1) / KvLayout.PAGE_POSITIONS;
        for (int page = first / KvLayout.PAGE_POSITIONS; page <= lastPage; page++) {
            MemorySegment memory = cache.page(page);
            if (!memory.isNative() || memory.byteSize() < bytes) {
                throw new IllegalArgumentException("page " + page + " is " + memory);
            }
            workspace.addresses()[page] = memory.address();
        }
    }

    private static void call(
            NativeLibrary.Tier tier,
            KvLayout layout,
            AttentionShape shape,
            int keyValueHead,
            int heads,
            int firstPosition,
            int tokens,
            float[] queries,
            float[] out,
            int offset,
            int stride,
            Workspace workspace) {
        try {
            ATTEND.invokeExact(
                    tier.number(),
                    number(layout.type()),
                    MemorySegment.ofArray(workspace.addresses()),
                    layout.keys(shape.layer(), keyValueHead),
                    layout.values(shape.layer(), keyValueHead),
                    shape.headSize(),
                    heads,
                    shape.scale(),
                    shape.softCap(),
                    shape.window(),
                    firstPosition,
                    tokens,
                    MemorySegment.ofArray(queries),
                    MemorySegment.ofArray(out),
                    (long) offset,
                    (long) stride,
                    MemorySegment.ofArray(workspace.scores()),
                    (long) workspace.positions(),
                    MemorySegment.ofArray(workspace.page()));
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }
}
