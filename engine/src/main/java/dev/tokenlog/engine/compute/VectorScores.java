package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.Workspace.ATTENTION_QUERIES;

import jdk.incubator.vector.FloatVector;

/// Scores of queries against the keys of a page. Lanes are positions, and the 16 partial sums of
/// each dot product are 16 vectors.
final class VectorScores {

    private static final int QUARTER = ATTENTION_QUERIES * PAGE_POSITIONS;

    private VectorScores() {}

    /// Scores of four queries against the positions of a page; `a` to `d` are where they begin.
    static void scoreFour(
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
    static void score(
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
}
