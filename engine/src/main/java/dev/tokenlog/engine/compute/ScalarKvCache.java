package dev.tokenlog.engine.compute;

import static dev.tokenlog.engine.compute.KvLayout.PAGE_POSITIONS;
import static dev.tokenlog.engine.compute.ScalarKernels.FLOAT;
import static dev.tokenlog.engine.compute.ScalarKernels.SHORT;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The specification of how keys and values are kept: a number at a time, by type.
final class ScalarKvCache {

    private ScalarKvCache() {}

    static boolean store(
            KvLayout layout,
            MemorySegment page,
            int layer,
            int slot,
            float[] keys,
            int keyOffset,
            float[] values,
            int valueOffset) {
        int headSize = layout.headSize(layer);
        boolean finite = true;
        for (int head = 0; head < layout.keyValueHeads(layer); head++) {
            int start = head * headSize;
            if (layout.type() == KvType.KV8) {
                finite &=
                        storeKey8(layout, page, layer, head, slot, keys, keyOffset + start)
                                & storeValue8(
                                        layout,
                                        page,
                                        layer,
                                        head,
                                        slot,
                                        values,
                                        valueOffset + start);
                continue;
            }
            for (int channel = 0; channel < headSize; channel++) {
                finite &=
                        put(
                                layout.type(),
                                page,
                                layout.keys(layer, head),
                                channel * PAGE_POSITIONS + slot,
                                keys[keyOffset + start + channel]);
                finite &=
                        put(
                                layout.type(),
                                page,
                                layout.values(layer, head),
                                slot * headSize + channel,
                                values[valueOffset + start + channel]);
            }
        }
        return finite;
    }

    private static boolean put(
            KvType type, MemorySegment page, long base, int element, float value) {
        return switch (type) {
            case KV16 -> {
                short rounded = Float.floatToFloat16(value);
                page.set(SHORT, base + 2L * element, rounded);
                yield (rounded & 0x7c00) != 0x7c00;
            }
            case KV32 -> {
                page.set(FLOAT, base + 4L * element, value);
                yield Float.isFinite(value);
            }
            case KV8 -> throw new IllegalArgumentException("kv8 stores whole blocks");
        };
    }

    /// Per block of 32 channels: `s = amax / 127`, `q = roundTiesToEven(x · (127 / amax))`, as
    /// [activations][#quantize] are.
    private static boolean storeKey8(
            KvLayout layout,
            MemorySegment page,
            int layer,
            int head,
            int slot,
            float[] keys,
            int offset) {
        boolean finite = true;
        for (int block = 0; block < layout.blocks(layer); block++) {
            int from = block * KvType.BLOCK;
            int to = Math.min(from + KvType.BLOCK, layout.headSize(layer));
            float maximum = largestMagnitude(keys, offset + from, offset + to);
            for (int channel = from; channel < to; channel++) {
                page.set(
                        ValueLayout.JAVA_BYTE,
                        layout.keys(layer, head) + channel * PAGE_POSITIONS + slot,
                        code8(keys[offset + channel], maximum));
            }
            float scale = scale8(maximum);
            long index = block * PAGE_POSITIONS + slot;
            page.set(FLOAT, layout.keyScales(layer, head) + 4 * index, scale);
            finite &= Float.isFinite(scale);
        }
        return finite;
    }

    /// The same for values, in their order.
    private static boolean storeValue8(
            KvLayout layout,
            MemorySegment page,
            int layer,
            int head,
            int slot,
            float[] values,
            int offset) {
        boolean finite = true;
        int headSize = layout.headSize(layer);
        int blocks = layout.blocks(layer);
        for (int block = 0; block < blocks; block++) {
            int from = block * KvType.BLOCK;
            int to = Math.min(from + KvType.BLOCK, headSize);
            float maximum = largestMagnitude(values, offset + from, offset + to);
            for (int channel = from; channel < to; channel++) {
                page.set(
                        ValueLayout.JAVA_BYTE,
                        layout.values(layer, head) + slot * headSize + channel,
                        code8(values[offset + channel], maximum));
            }
            float scale = scale8(maximum);
            long index = slot * blocks + block;
            page.set(FLOAT, layout.valueScales(layer, head) + 4 * index, scale);
            finite &= Float.isFinite(scale);
        }
        return finite;
    }

    /// NaN if one of them is.
    private static float largestMagnitude(float[] x, int from, int to) {
        float maximum = 0f;
        for (int i = from; i < to; i++) {
            maximum = Math.max(maximum, Math.abs(x[i]));
        }
        return maximum;
    }

    private static byte code8(float x, float maximum) {
        return maximum < ScalarKernels.SMALLEST_MAXIMUM
                ? 0
                : (byte) Math.rint(x * (127f / maximum));
    }

    private static float scale8(float maximum) {
        return maximum < ScalarKernels.SMALLEST_MAXIMUM ? 0f : maximum / 127f;
    }

    static float key(
            KvLayout layout, MemorySegment page, int layer, int head, int slot, int channel) {
        long base = layout.keys(layer, head);
        int element = channel * PAGE_POSITIONS + slot;
        return switch (layout.type()) {
            case KV16 -> Float.float16ToFloat(page.get(SHORT, base + 2L * element));
            case KV32 -> page.get(FLOAT, base + 4L * element);
            case KV8 -> {
                long scale = channel / KvType.BLOCK * PAGE_POSITIONS + slot;
                yield page.get(ValueLayout.JAVA_BYTE, base + element)
                        * page.get(FLOAT, layout.keyScales(layer, head) + 4 * scale);
            }
        };
    }

    static float value(
            KvLayout layout, MemorySegment page, int layer, int head, int slot, int channel) {
        long base = layout.values(layer, head);
        int element = slot * layout.headSize(layer) + channel;
        return switch (layout.type()) {
            case KV16 -> Float.float16ToFloat(page.get(SHORT, base + 2L * element));
            case KV32 -> page.get(FLOAT, base + 4L * element);
            case KV8 -> {
                long scale = slot * layout.blocks(layer) + channel / KvType.BLOCK;
                yield page.get(ValueLayout.JAVA_BYTE, base + element)
                        * page.get(FLOAT, layout.valueScales(layer, head) + 4 * scale);
            }
        };
    }
}
