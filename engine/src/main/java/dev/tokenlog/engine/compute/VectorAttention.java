package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.Workspace.ATTENTION_QUERIES;

import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Attention of one key-value head. Keys and values of a page are widened once for all queries, and
/// what is loaded of them serves four queries: those of a group, or of neighbouring tokens. First
/// [scores][VectorScores], then probabilities, then weighted values, whose lanes are channels.
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
        int count = tokens * shape.group();
        for (int page = firstPage; page <= lastPage; page++) {
            VectorKvPages.widenKeys(cache, shape, keyValueHead, page, workspace);
            int positions = Math.min(PAGE_POSITIONS, last + 1 - page * PAGE_POSITIONS);
            int query = 0;
            for (; query + ATTENTION_QUERIES <= count; query += ATTENTION_QUERIES) {
                VectorScores.scoreFour(
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
                VectorScores.score(
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
            VectorKvPages.widenValues(cache, shape, keyValueHead, page, last, workspace);
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
