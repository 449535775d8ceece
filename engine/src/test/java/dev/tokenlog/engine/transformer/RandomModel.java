package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Activation;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;

/// A small model of random weights and awkward shapes: nothing in it is a multiple of 32, it has
/// biases, a window in its second layer, a partial rotation, and weights of every kind.
final class RandomModel {

    static final int VOCABULARY = 83;
    static final int CONTEXT = 200;

    private static final int HIDDEN = 76;
    private static final int INTERMEDIATE = 109;
    private static final int HEADS = 6;
    private static final int KEY_VALUE_HEADS = 2;
    private static final int HEAD_SIZE = 20;
    private static final int ROTATED = 16;

    private final Random random = new Random(11);
    private final MemoryModel model = new MemoryModel(plan(), Optional.of("sha256-test"));

    private RandomModel() {}

    static MemoryModel create() {
        RandomModel maker = new RandomModel();
        maker.fill();
        return maker.model;
    }

    private void fill() {
        model.put(quantized("embedding", NumberCode.INT8, VOCABULARY, HIDDEN, 32));
        model.put(quantized("head", NumberCode.INT8, VOCABULARY, HIDDEN, 32));
        int width = HEADS * HEAD_SIZE;
        int keyValueWidth = KEY_VALUE_HEADS * HEAD_SIZE;
        for (int l = 0; l < 2; l++) {
            NumberCode code = l == 0 ? NumberCode.INT4 : NumberCode.INT8;
            model.put(l + ".input_norm", vector(HIDDEN, 1f));
            model.put(l + ".post_norm", vector(HIDDEN, 1f));
            model.put(quantized(l + ".query.weight", code, width, HIDDEN, 32));
            model.put(floats(l + ".key.weight", keyValueWidth, HIDDEN));
            model.put(quantized(l + ".value.weight", code, keyValueWidth, HIDDEN, 64));
            model.put(quantized(l + ".output.weight", code, HIDDEN, width, width));
            model.put(l + ".query.bias", vector(width, 0f));
            model.put(l + ".key.bias", vector(keyValueWidth, 0f));
            model.put(l + ".value.bias", vector(keyValueWidth, 0f));
            model.put(l + ".output.bias", vector(HIDDEN, 0f));
            model.put(quantized(l + ".gate.weight", code, INTERMEDIATE, HIDDEN, 128));
            model.put(quantized(l + ".up.weight", code, INTERMEDIATE, HIDDEN, 32));
            model.put(quantized(l + ".down.weight", code, HIDDEN, INTERMEDIATE, 32));
        }
        model.put("final_norm", vector(HIDDEN, 1f));
    }

    private static ModelPlan plan() {
        List<LayerPlan> layers = new ArrayList<>();
        for (int l = 0; l < 2; l++) {
            layers.add(
                    new LayerPlan(
                            new Attention(
                                    HEADS,
                                    KEY_VALUE_HEADS,
                                    HEAD_SIZE,
                                    0.3f,
                                    l == 0 ? 0 : 37,
                                    true,
                                    true,
                                    l + ".query.weight",
                                    l + ".key.weight",
                                    l + ".value.weight",
                                    l + ".output.weight"),
                            new FeedForward(
                                    INTERMEDIATE,
                                    l == 0 ? Activation.SILU : Activation.GELU_TANH,
                                    false,
                                    l + ".gate.weight",
                                    l + ".up.weight",
                                    l + ".down.weight"),
                            l + ".input_norm",
                            l + ".post_norm",
                            1e-5f));
        }
        List<Double> frequencies = new ArrayList<>();
        for (int i = 0; i < ROTATED / 2; i++) {
            frequencies.add(StrictMath.pow(10000, -2.0 * i / ROTATED));
        }
        return new ModelPlan(
                "random",
                VOCABULARY,
                HIDDEN,
                CONTEXT,
                1.5f,
                layers,
                new Rotary(ROTATED, frequencies, 1.1),
                1e-6f,
                false,
                "embedding",
                "final_norm",
                "head");
    }

    private Matrix quantized(String name, NumberCode code, int rows, int columns, int groupSize) {
        byte[] codes = new byte[rows * Math.ceilDiv(columns * code.bits(), 8)];
        random.nextBytes(codes);
        int groups = rows * Math.ceilDiv(columns, groupSize);
        MemorySegment scales = Arena.ofAuto().allocate(2L * groups);
        float size = code == NumberCode.INT8 ? 1f / 127 : 1f / 8;
        for (int i = 0; i < groups; i++) {
            float scale = (float) (random.nextGaussian() * size * 0.2);
            scales.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i, Float.floatToFloat16(scale));
        }
        MemorySegment bytes = Arena.ofAuto().allocate(codes.length);
        bytes.copyFrom(MemorySegment.ofArray(codes));
        return new Matrix.Quantized(name, code, rows, columns, groupSize, bytes, scales);
    }

    private Matrix floats(String name, int rows, int columns) {
        MemorySegment data = Arena.ofAuto().allocate(4L * rows * columns);
        for (int i = 0; i < rows * columns; i++) {
            data.set(
                    ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i, (float) random.nextGaussian() * 0.2f);
        }
        return new Matrix.Float(name, DataType.F32, rows, columns, data);
    }

    private float[] vector(int size, float around) {
        float[] vector = new float[size];
        for (int i = 0; i < size; i++) {
            vector[i] = around + (float) random.nextGaussian() * 0.1f;
        }
        return vector;
    }
}
