package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOATS;
import static dev.tokenlog.engine.compute.VectorShapes.FLOAT_LANES;
import static dev.tokenlog.engine.compute.VectorShapes.QUARTER_BYTES;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/// Widens the keys or values of one head in a page of the KV cache, once for all queries.
final class VectorKvPages {

    private VectorKvPages() {}

    static void widenKeys(KvCache cache, AttentionShape shape, int head, int page, Workspace into) {
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

    static void widenValues(
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
}
