package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Attention of one key-value head. Keys and values of a page are widened once for all queries.
/// Scores: lanes are positions, and the 16 partial sums of each are 16 vectors. Weighted values:
/// lanes are channels.
final class VectorAttention {

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
        for (int page = firstPage; page <= lastPage; page++) {
            widenKeys(cache, shape, keyValueHead, page, workspace);
            int positions = Math.min(PAGE_POSITIONS, last + 1 - page * PAGE_POSITIONS);
            for (int token = 0; token < tokens; token++) {
                for (int head = 0; head < shape.group(); head++) {
                    score(
                            queries,
                            offset + token * stride + head * shape.headSize(),
                            shape,
                            positions,
                            workspace,
                            query(token, head, shape, workspace) + page * PAGE_POSITIONS);
                }
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
            for (int token = 0; token < tokens; token++) {
                int position = firstPosition + token;
                int from = Math.max(shape.firstVisible(position), page * PAGE_POSITIONS);
                int to = Math.min(position + 1, (page + 1) * PAGE_POSITIONS);
                for (int head = 0; head < shape.group(); head++) {
                    addValues(
                            workspace,
                            query(token, head, shape, workspace),
                            from,
                            to,
                            shape.headSize(),
                            out,
                            offset + token * stride + head * shape.headSize());
                }
            }
        }
    }

    /// Where the scores of a query begin.
    private static int query(int token, int head, AttentionShape shape, Workspace workspace) {
        return (token * shape.group() + head) * workspace.positions();
    }

    private static void widenKeys(
            KvCache cache, AttentionShape shape, int head, int page, Workspace into) {
        KvLayout layout = cache.layout();
        widen(
                layout.type(),
                cache.page(page),
                layout.keys(shape.layer(), head),
                PAGE_POSITIONS * shape.headSize(),
                into.keys,
                into);
    }

    private static void widenValues(
            KvCache cache, AttentionShape shape, int head, int page, int last, Workspace into) {
        KvLayout layout = cache.layout();
        int positions = Math.min(PAGE_POSITIONS, last + 1 - page * PAGE_POSITIONS);
        widen(
                layout.type(),
                cache.page(page),
                layout.values(shape.layer(), head),
                positions * shape.headSize(),
                into.values,
                into);
    }

    private static void widen(
            KvType type, MemorySegment page, long offset, int count, float[] out, Workspace into) {
        switch (type) {
            case KV16 -> VectorFloatProduct.widenHalves(page, offset, count, out, 0, into.halves);
            case KV32 -> MemorySegment.copy(page, ScalarKernels.FLOAT, offset, out, 0, count);
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

    /// `out = fma(p_t, v_t, out)` for positions `from` to `to` of one page, in ascending order.
    private static void addValues(
            Workspace workspace,
            int query,
            int from,
            int to,
            int headSize,
            float[] out,
            int start) {
        float[] probabilities = workspace.scores();
        float[] values = workspace.values;
        int firstSlot = from % PAGE_POSITIONS;
        int channel = 0;
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
