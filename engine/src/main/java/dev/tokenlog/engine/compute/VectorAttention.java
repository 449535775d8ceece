package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.QUARTER_BYTES;
import static dev.tokenlog.engine.compute.Workspace.ATTENTION_QUERIES;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Attention of one key-value head. Keys and values of a page are widened once for all queries, and
/// what is loaded of them serves four queries: those of a group, or of neighbouring tokens. Scores:
/// lanes are positions, and the 16 partial sums of each are 16 vectors. Weighted values: lanes are
/// channels.
final class VectorAttention {

    private static final int QUARTER = ATTENTION_QUERIES * PAGE_POSITIONS;

    private VectorAttention() {}

    static void attend(
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
        int last = firstPosition + tokens - 1;
        int firstPage = shape.firstVisible(firstPosition) / PAGE_POSITIONS;
        int lastPage = last / PAGE_POSITIONS;
        int count = tokens * shape.group();
        for (int page = firstPage; page <= lastPage; page++) {
            widenKeys(cache, shape, keyValueHead, page, workspace);
            int positions = Math.min(PAGE_POSITIONS, last + 1 - page * PAGE_POSITIONS);
            int query = 0;
            for (; query + ATTENTION_QUERIES <= count; query += ATTENTION_QUERIES) {
                scoreFour(
                        queries,
                        place(query, shape, offset, stride),
                        place(query + 1, shape, offset, stride),
                        place(query + 2, shape, offset, stride),
                        place(query + 3, shape, offset, stride),
                        shape,
                        positions,
                        workspace,
                        query * workspace.positions() + page * PAGE_POSITIONS);
            }
            for (; query < count; query++) {
                score(
                        queries,
                        place(query, shape, offset, stride),
                        shape,
                        positions,
                        workspace,
                        query * workspace.positions() + page * PAGE_POSITIONS);
            }
        }
        for (int token = 0; token < tokens; token++) {
            int position = firstPosition + token;
            for (int head = 0; head < shape.group(); head++) {
                if (shape.softCap() != 0) {
                    int query = query(token, head, shape, workspace);
                    VectorFunctions.softCap(
                            shape.softCap(),
                            workspace.scores(),
                            query + shape.firstVisible(position),
                            query + position + 1,
                            workspace.elements);
                }
                softmax(
                        workspace.scores(),
                        query(token, head, shape, workspace),
                        shape.firstVisible(position),
                        position,
                        workspace.partials);
                int start = offset + token * stride + head * shape.headSize();
                Arrays.fill(out, start, start + shape.headSize(), 0f);
            }
        }
        for (int page = firstPage; page <= lastPage; page++) {
            widenValues(cache, shape, keyValueHead, page, last, workspace);
            int query = 0;
            for (; query + ATTENTION_QUERIES <= count; query += ATTENTION_QUERIES) {
                addValuesOfFour(workspace, shape, firstPosition, page, query, out, offset, stride);
            }
            for (; query < count; query++) {
                int position = firstPosition + query / shape.group();
                addValues(
                        workspace,
                        query * workspace.positions(),
                        firstOfPage(shape, position, page),
                        endOfPage(position, page),
                        0,
                        shape.headSize(),
                        out,
                        place(query, shape, offset, stride));
            }
        }
    }

    /// Where a query begins, and its result; queries are counted over tokens and the group's heads.
    private static int place(int query, AttentionShape shape, int offset, int stride) {
        int head = query % shape.group();
        return offset + query / shape.group() * stride + head * shape.headSize();
    }

    /// The first position of a page that a token sees.
    private static int firstOfPage(AttentionShape shape, int position, int page) {
        return Math.max(shape.firstVisible(position), page * PAGE_POSITIONS);
    }

    /// One more than the last position of a page that a token sees.
    private static int endOfPage(int position, int page) {
        return Math.min(position + 1, (page + 1) * PAGE_POSITIONS);
    }

    /// Where the scores of a query begin.
    private static int query(int token, int head, AttentionShape shape, Workspace workspace) {
        return (token * shape.group() + head) * workspace.positions();
    }

    private static void widenKeys(
            KvCache cache, AttentionShape shape, int head, int page, Workspace into) {
        KvLayout layout = cache.layout();
        MemorySegment memory = cache.page(page);
        long keys = layout.keys(shape.layer(), head);
        int headSize = shape.headSize();
        if (layout.type() == KvType.KV8) {
            long scales = layout.keyScales(shape.layer(), head);
            widenKeys8(memory, keys, scales, headSize, into.keys);
        } else {
            widen(layout.type(), memory, keys, PAGE_POSITIONS * headSize, into.keys, into);
        }
    }

    private static void widenValues(
            KvCache cache, AttentionShape shape, int head, int page, int last, Workspace into) {
        KvLayout layout = cache.layout();
        MemorySegment memory = cache.page(page);
        int positions = Math.min(PAGE_POSITIONS, last + 1 - page * PAGE_POSITIONS);
        long values = layout.values(shape.layer(), head);
        int headSize = shape.headSize();
        if (layout.type() == KvType.KV8) {
            long scales = layout.valueScales(shape.layer(), head);
            widenValues8(memory, values, scales, headSize, positions, into.values);
        } else {
            widen(layout.type(), memory, values, positions * headSize, into.values, into);
        }
    }

    private static void widen(
            KvType type, MemorySegment page, long offset, int count, float[] out, Workspace into) {
        switch (type) {
            case KV16 -> VectorFloatProduct.widenHalves(page, offset, count, out, 0, into.halves);
            case KV32 -> MemorySegment.copy(page, ScalarKernels.FLOAT, offset, out, 0, count);
            case KV8 -> throw new IllegalArgumentException("kv8 is widened by blocks");
        }
    }

    /// Lanes are positions, as many as a page has. What a vector of bytes holds beyond its floats
    /// is still within the page: the scales follow.
    private static void widenKeys8(
            MemorySegment page, long keys, long scales, int headSize, float[] out) {
        for (int channel = 0; channel < headSize; channel++) {
            int row = channel * PAGE_POSITIONS;
            long rowScales = scales + 4L * (channel / KvType.BLOCK) * PAGE_POSITIONS;
            for (int i = 0; i < PAGE_POSITIONS; i += FLOAT_LANES) {
                FloatVector scale =
                        FloatVector.fromMemorySegment(
                                FLOATS, page, rowScales + 4L * i, ByteOrder.LITTLE_ENDIAN);
                ByteVector.fromMemorySegment(
                                QUARTER_BYTES, page, keys + row + i, ByteOrder.LITTLE_ENDIAN)
                        .convertShape(VectorOperators.B2F, FLOATS, 0)
                        .reinterpretAsFloats()
                        .mul(scale)
                        .intoArray(out, row + i);
            }
        }
    }

    /// Lanes are channels.
    private static void widenValues8(
            MemorySegment page,
            long values,
            long scales,
            int headSize,
            int positions,
            float[] out) {
        int blocks = KvType.KV8.blocks(headSize);
        for (int slot = 0; slot < positions; slot++) {
            int row = slot * headSize;
            for (int block = 0; block < blocks; block++) {
                float scale = page.get(ScalarKernels.FLOAT, scales + 4L * (slot * blocks + block));
                int channel = block * KvType.BLOCK;
                int end = Math.min(channel + KvType.BLOCK, headSize);
                for (; channel + FLOAT_LANES <= end; channel += FLOAT_LANES) {
                    ByteVector.fromMemorySegment(
                                    QUARTER_BYTES,
                                    page,
                                    values + row + channel,
                                    ByteOrder.LITTLE_ENDIAN)
                            .convertShape(VectorOperators.B2F, FLOATS, 0)
                            .reinterpretAsFloats()
                            .mul(scale)
                            .intoArray(out, row + channel);
                }
                for (; channel < end; channel++) {
                    out[row + channel] =
                            page.get(ValueLayout.JAVA_BYTE, values + row + channel) * scale;
                }
            }
        }
    }

    /// Scores of four queries against the positions of a page; `a` to `d` are where they begin.
    private static void scoreFour(
            float[] queries,
            int a,
            int b,
            int c,
            int d,
            AttentionShape shape,
            int positions,
            Workspace workspace,
            int scoresOffset) {
        float[] partials = workspace.partialScores;
        for (int quarter = 0; quarter < 4; quarter++) {
            scoreQuarterOfFour(
                    queries,
                    a,
                    b,
                    c,
                    d,
                    workspace.keys,
                    shape.headSize(),
                    positions,
                    quarter,
                    partials);
        }
        float[] scores = workspace.scores();
        for (int query = 0; query < ATTENTION_QUERIES; query++) {
            int from = query * PAGE_POSITIONS;
            int to = scoresOffset + query * workspace.positions();
            for (int i = 0; i < positions; i += FLOAT_LANES) {
                FloatVector q0 = FloatVector.fromArray(FLOATS, partials, from + i);
                FloatVector q1 = FloatVector.fromArray(FLOATS, partials, from + QUARTER + i);
                FloatVector q2 = FloatVector.fromArray(FLOATS, partials, from + 2 * QUARTER + i);
                FloatVector q3 = FloatVector.fromArray(FLOATS, partials, from + 3 * QUARTER + i);
                q0.add(q2).add(q1.add(q3)).mul(shape.scale()).intoArray(scores, to + i);
            }
        }
    }

    /// Of the 16 partial sums of each query, those with `index mod 4 = quarter`, added by halves,
    /// to `[quarter][query][position]`.
    private static void scoreQuarterOfFour(
            float[] queries,
            int a,
            int b,
            int c,
            int d,
            float[] keys,
            int headSize,
            int positions,
            int quarter,
            float[] out) {
        for (int i = 0; i < positions; i += FLOAT_LANES) {
            FloatVector a0 = FloatVector.zero(FLOATS);
            FloatVector a4 = a0;
            FloatVector a8 = a0;
            FloatVector a12 = a0;
            FloatVector b0 = a0;
            FloatVector b4 = a0;
            FloatVector b8 = a0;
            FloatVector b12 = a0;
            FloatVector c0 = a0;
            FloatVector c4 = a0;
            FloatVector c8 = a0;
            FloatVector c12 = a0;
            FloatVector d0 = a0;
            FloatVector d4 = a0;
            FloatVector d8 = a0;
            FloatVector d12 = a0;
            int channel = quarter;
            for (; channel + 12 < headSize; channel += 16) {
                int at = channel * PAGE_POSITIONS + i;
                FloatVector k0 = FloatVector.fromArray(FLOATS, keys, at);
                a0 = k0.fma(FloatVector.broadcast(FLOATS, queries[a + channel]), a0);
                b0 = k0.fma(FloatVector.broadcast(FLOATS, queries[b + channel]), b0);
                c0 = k0.fma(FloatVector.broadcast(FLOATS, queries[c + channel]), c0);
                d0 = k0.fma(FloatVector.broadcast(FLOATS, queries[d + channel]), d0);
                FloatVector k4 = FloatVector.fromArray(FLOATS, keys, at + 4 * PAGE_POSITIONS);
                a4 = k4.fma(FloatVector.broadcast(FLOATS, queries[a + channel + 4]), a4);
                b4 = k4.fma(FloatVector.broadcast(FLOATS, queries[b + channel + 4]), b4);
                c4 = k4.fma(FloatVector.broadcast(FLOATS, queries[c + channel + 4]), c4);
                d4 = k4.fma(FloatVector.broadcast(FLOATS, queries[d + channel + 4]), d4);
                FloatVector k8 = FloatVector.fromArray(FLOATS, keys, at + 8 * PAGE_POSITIONS);
                a8 = k8.fma(FloatVector.broadcast(FLOATS, queries[a + channel + 8]), a8);
                b8 = k8.fma(FloatVector.broadcast(FLOATS, queries[b + channel + 8]), b8);
                c8 = k8.fma(FloatVector.broadcast(FLOATS, queries[c + channel + 8]), c8);
                d8 = k8.fma(FloatVector.broadcast(FLOATS, queries[d + channel + 8]), d8);
                FloatVector k12 = FloatVector.fromArray(FLOATS, keys, at + 12 * PAGE_POSITIONS);
                a12 = k12.fma(FloatVector.broadcast(FLOATS, queries[a + channel + 12]), a12);
                b12 = k12.fma(FloatVector.broadcast(FLOATS, queries[b + channel + 12]), b12);
                c12 = k12.fma(FloatVector.broadcast(FLOATS, queries[c + channel + 12]), c12);
                d12 = k12.fma(FloatVector.broadcast(FLOATS, queries[d + channel + 12]), d12);
            }
            if (channel < headSize) {
                FloatVector k0 = FloatVector.fromArray(FLOATS, keys, channel * PAGE_POSITIONS + i);
                a0 = k0.fma(FloatVector.broadcast(FLOATS, queries[a + channel]), a0);
                b0 = k0.fma(FloatVector.broadcast(FLOATS, queries[b + channel]), b0);
                c0 = k0.fma(FloatVector.broadcast(FLOATS, queries[c + channel]), c0);
                d0 = k0.fma(FloatVector.broadcast(FLOATS, queries[d + channel]), d0);
            }
            if (channel + 4 < headSize) {
                FloatVector k4 =
                        FloatVector.fromArray(FLOATS, keys, (channel + 4) * PAGE_POSITIONS + i);
                a4 = k4.fma(FloatVector.broadcast(FLOATS, queries[a + channel + 4]), a4);
                b4 = k4.fma(FloatVector.broadcast(FLOATS, queries[b + channel + 4]), b4);
                c4 = k4.fma(FloatVector.broadcast(FLOATS, queries[c + channel + 4]), c4);
                d4 = k4.fma(FloatVector.broadcast(FLOATS, queries[d + channel + 4]), d4);
            }
            if (channel + 8 < headSize) {
                FloatVector k8 =
                        FloatVector.fromArray(FLOATS, keys, (channel + 8) * PAGE_POSITIONS + i);
                a8 = k8.fma(FloatVector.broadcast(FLOATS, queries[a + channel + 8]), a8);
                b8 = k8.fma(FloatVector.broadcast(FLOATS, queries[b + channel + 8]), b8);
                c8 = k8.fma(FloatVector.broadcast(FLOATS, queries[c + channel + 8]), c8);
                d8 = k8.fma(FloatVector.broadcast(FLOATS, queries[d + channel + 8]), d8);
            }
            int to = quarter * QUARTER + i;
            a0.add(a8).add(a4.add(a12)).intoArray(out, to);
            b0.add(b8).add(b4.add(b12)).intoArray(out, to + PAGE_POSITIONS);
            c0.add(c8).add(c4.add(c12)).intoArray(out, to + 2 * PAGE_POSITIONS);
            d0.add(d8).add(d4.add(d12)).intoArray(out, to + 3 * PAGE_POSITIONS);
        }
    }

    /// Scores of one query against the positions of a page.
    private static void score(
            float[] queries,
            int query,
            AttentionShape shape,
            int positions,
            Workspace workspace,
            int scoresOffset) {
        float[] quarters = workspace.tile;
        for (int quarter = 0; quarter < 4; quarter++) {
            scoreQuarter(
                    queries, query, workspace.keys, shape.headSize(), positions, quarter, quarters);
        }
        for (int i = 0; i < positions; i += FLOAT_LANES) {
            FloatVector q0 = FloatVector.fromArray(FLOATS, quarters, i);
            FloatVector q1 = FloatVector.fromArray(FLOATS, quarters, PAGE_POSITIONS + i);
            FloatVector q2 = FloatVector.fromArray(FLOATS, quarters, 2 * PAGE_POSITIONS + i);
            FloatVector q3 = FloatVector.fromArray(FLOATS, quarters, 3 * PAGE_POSITIONS + i);
            q0.add(q2)
                    .add(q1.add(q3))
                    .mul(shape.scale())
                    .intoArray(workspace.scores(), scoresOffset + i);
        }
    }

    /// Of the 16 partial sums, those with `index mod 4 = quarter`, added by halves, to
    /// `[quarter][position]`.
    private static void scoreQuarter(
            float[] queries,
            int query,
            float[] keys,
            int headSize,
            int positions,
            int quarter,
            float[] out) {
        for (int i = 0; i < positions; i += FLOAT_LANES) {
            FloatVector p0 = FloatVector.zero(FLOATS);
            FloatVector p4 = p0;
            FloatVector p8 = p0;
            FloatVector p12 = p0;
            int c = quarter;
            for (; c + 12 < headSize; c += 16) {
                p0 =
                        FloatVector.fromArray(FLOATS, keys, c * PAGE_POSITIONS + i)
                                .fma(FloatVector.broadcast(FLOATS, queries[query + c]), p0);
                p4 =
                        FloatVector.fromArray(FLOATS, keys, (c + 4) * PAGE_POSITIONS + i)
                                .fma(FloatVector.broadcast(FLOATS, queries[query + c + 4]), p4);
                p8 =
                        FloatVector.fromArray(FLOATS, keys, (c + 8) * PAGE_POSITIONS + i)
                                .fma(FloatVector.broadcast(FLOATS, queries[query + c + 8]), p8);
                p12 =
                        FloatVector.fromArray(FLOATS, keys, (c + 12) * PAGE_POSITIONS + i)
                                .fma(FloatVector.broadcast(FLOATS, queries[query + c + 12]), p12);
            }
            if (c < headSize) {
                p0 =
                        FloatVector.fromArray(FLOATS, keys, c * PAGE_POSITIONS + i)
                                .fma(FloatVector.broadcast(FLOATS, queries[query + c]), p0);
            }
            if (c + 4 < headSize) {
                p4 =
                        FloatVector.fromArray(FLOATS, keys, (c + 4) * PAGE_POSITIONS + i)
                                .fma(FloatVector.broadcast(FLOATS, queries[query + c + 4]), p4);
            }
            if (c + 8 < headSize) {
                p8 =
                        FloatVector.fromArray(FLOATS, keys, (c + 8) * PAGE_POSITIONS + i)
                                .fma(FloatVector.broadcast(FLOATS, queries[query + c + 8]), p8);
            }
            p0.add(p8).add(p4.add(p12)).intoArray(out, quarter * PAGE_POSITIONS + i);
        }
    }

    /// Scores of positions `first` to `last` to probabilities. Positions before and after, up to
    /// multiples of 16, count as −∞: they add +0 to a partial sum, which changes nothing.
    private static void softmax(float[] scores, int query, int first, int last, float[] partials) {
        int from = query + (first & -16);
        int to = query + ((last + 16) & -16);
        Arrays.fill(scores, from, query + first, Float.NEGATIVE_INFINITY);
        Arrays.fill(scores, query + last + 1, to, Float.NEGATIVE_INFINITY);

        FloatVector largest = FloatVector.broadcast(FLOATS, Float.NEGATIVE_INFINITY);
        for (int i = from; i < to; i += FLOAT_LANES) {
            largest = largest.max(FloatVector.fromArray(FLOATS, scores, i));
        }
        float maximum = largest.reduceLanes(VectorOperators.MAX);

        for (int i = from; i < to; i += FLOAT_LANES) {
            FloatVector.fromArray(FLOATS, scores, i).sub(maximum).intoArray(scores, i);
        }
        VectorFunctions.exp(scores, from, scores, from, to - from);
        float sum = sumOverPositions(scores, from, to, partials);
        for (int i = from; i < to; i += FLOAT_LANES) {
            FloatVector.fromArray(FLOATS, scores, i).div(sum).intoArray(scores, i);
        }
    }

    /// By 16 partial sums; `from` and `to` are multiples of 16 positions.
    private static float sumOverPositions(float[] e, int from, int to, float[] partials) {
        for (int lane = 0; lane < 16; lane += FLOAT_LANES) {
            FloatVector sums = FloatVector.zero(FLOATS);
            for (int i = from + lane; i < to; i += 16) {
                sums = sums.add(FloatVector.fromArray(FLOATS, e, i));
            }
            sums.intoArray(partials, lane);
        }
        return ScalarKernels.sumByHalves(partials);
    }

    /// The positions of a page that all four queries see are added together; what some of them see
    /// before and after, each by itself: positions in ascending order for every query.
    private static void addValuesOfFour(
            Workspace workspace,
            AttentionShape shape,
            int firstPosition,
            int page,
            int query,
            float[] out,
            int offset,
            int stride) {
        int firstToken = firstPosition + query / shape.group();
        int lastToken = firstPosition + (query + 3) / shape.group();
        int end = endOfPage(firstToken, page);
        int start = Math.min(firstOfPage(shape, lastToken, page), end);
        for (int i = query; i < query + ATTENTION_QUERIES; i++) {
            int from = firstOfPage(shape, firstPosition + i / shape.group(), page);
            int scores = i * workspace.positions();
            int to = place(i, shape, offset, stride);
            addValues(workspace, scores, from, start, 0, shape.headSize(), out, to);
        }
        int done = 0;
        if (start < end) {
            done = shape.headSize() / (2 * FLOAT_LANES) * (2 * FLOAT_LANES);
            addValuesTogether(
                    workspace,
                    query * workspace.positions(),
                    start,
                    end,
                    shape.headSize(),
                    out,
                    place(query, shape, offset, stride),
                    place(query + 1, shape, offset, stride),
                    place(query + 2, shape, offset, stride),
                    place(query + 3, shape, offset, stride));
        }
        for (int i = query; i < query + ATTENTION_QUERIES; i++) {
            int position = firstPosition + i / shape.group();
            int scores = i * workspace.positions();
            int to = place(i, shape, offset, stride);
            if (done < shape.headSize()) {
                addValues(workspace, scores, start, end, done, shape.headSize(), out, to);
            }
            int rest = Math.max(firstOfPage(shape, position, page), end);
            int last = endOfPage(position, page);
            addValues(workspace, scores, rest, last, 0, shape.headSize(), out, to);
        }
    }

    /// Four queries with their results at `a` to `d`, as many channels as fill pairs of vectors.
    private static void addValuesTogether(
            Workspace workspace,
            int query,
            int from,
            int to,
            int headSize,
            float[] out,
            int a,
            int b,
            int c,
            int d) {
        float[] probabilities = workspace.scores();
        float[] values = workspace.values;
        int next = workspace.positions();
        int firstSlot = from % PAGE_POSITIONS;
        int high = FLOAT_LANES;
        for (int channel = 0; channel + 2 * high <= headSize; channel += 2 * high) {
            FloatVector a0 = FloatVector.fromArray(FLOATS, out, a + channel);
            FloatVector a1 = FloatVector.fromArray(FLOATS, out, a + channel + high);
            FloatVector b0 = FloatVector.fromArray(FLOATS, out, b + channel);
            FloatVector b1 = FloatVector.fromArray(FLOATS, out, b + channel + high);
            FloatVector c0 = FloatVector.fromArray(FLOATS, out, c + channel);
            FloatVector c1 = FloatVector.fromArray(FLOATS, out, c + channel + high);
            FloatVector d0 = FloatVector.fromArray(FLOATS, out, d + channel);
            FloatVector d1 = FloatVector.fromArray(FLOATS, out, d + channel + high);
            for (int t = 0; t < to - from; t++) {
                int index = (firstSlot + t) * headSize + channel;
                FloatVector v0 = FloatVector.fromArray(FLOATS, values, index);
                FloatVector v1 = FloatVector.fromArray(FLOATS, values, index + high);
                int p = query + from + t;
                FloatVector pa = FloatVector.broadcast(FLOATS, probabilities[p]);
                a0 = v0.fma(pa, a0);
                a1 = v1.fma(pa, a1);
                FloatVector pb = FloatVector.broadcast(FLOATS, probabilities[p + next]);
                b0 = v0.fma(pb, b0);
                b1 = v1.fma(pb, b1);
                FloatVector pc = FloatVector.broadcast(FLOATS, probabilities[p + 2 * next]);
                c0 = v0.fma(pc, c0);
                c1 = v1.fma(pc, c1);
                FloatVector pd = FloatVector.broadcast(FLOATS, probabilities[p + 3 * next]);
                d0 = v0.fma(pd, d0);
                d1 = v1.fma(pd, d1);
            }
            a0.intoArray(out, a + channel);
            a1.intoArray(out, a + channel + high);
            b0.intoArray(out, b + channel);
            b1.intoArray(out, b + channel + high);
            c0.intoArray(out, c + channel);
            c1.intoArray(out, c + channel + high);
            d0.intoArray(out, d + channel);
            d1.intoArray(out, d + channel + high);
        }
    }

    /// `out = fma(p_t, v_t, out)` for positions `from` to `to` of one page, in ascending order, and
    /// the channels from `firstChannel` on.
    private static void addValues(
            Workspace workspace,
            int query,
            int from,
            int to,
            int firstChannel,
            int headSize,
            float[] out,
            int start) {
        if (from >= to) {
            return;
        }
        float[] probabilities = workspace.scores();
        float[] values = workspace.values;
        int firstSlot = from % PAGE_POSITIONS;
        int channel = firstChannel;
        for (; channel + 2 * FLOAT_LANES <= headSize; channel += 2 * FLOAT_LANES) {
            FloatVector low = FloatVector.fromArray(FLOATS, out, start + channel);
            FloatVector high = FloatVector.fromArray(FLOATS, out, start + channel + FLOAT_LANES);
            for (int t = from; t < to; t++) {
                int index = (firstSlot + t - from) * headSize + channel;
                float probability = probabilities[query + t];
                low =
                        FloatVector.fromArray(FLOATS, values, index)
                                .fma(FloatVector.broadcast(FLOATS, probability), low);
                high =
                        FloatVector.fromArray(FLOATS, values, index + FLOAT_LANES)
                                .fma(FloatVector.broadcast(FLOATS, probability), high);
            }
            low.intoArray(out, start + channel);
            high.intoArray(out, start + channel + FLOAT_LANES);
        }
        for (; channel + FLOAT_LANES <= headSize; channel += FLOAT_LANES) {
            FloatVector sum = FloatVector.fromArray(FLOATS, out, start + channel);
            for (int t = from; t < to; t++) {
                int index = (firstSlot + t - from) * headSize + channel;
                sum =
                        FloatVector.fromArray(FLOATS, values, index)
                                .fma(FloatVector.broadcast(FLOATS, probabilities[query + t]), sum);
            }
            sum.intoArray(out, start + channel);
        }
        for (; channel < headSize; channel++) {
            for (int t = from; t < to; t++) {
                out[start + channel] =
                        Math.fma(
                                probabilities[query + t],
                                values[(firstSlot + t - from) * headSize + channel],
                                out[start + channel]);
            }
        }
    }
}
