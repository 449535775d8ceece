package dev.tokenlog.engine.transformer;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Activation;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Mixture;
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

/// Small models of random weights and awkward shapes: nothing in them is a multiple of 32, they
/// have biases, a window in the second layer, a partial rotation, and weights of every kind. The
/// unusual one has everything else that some family has.
public final class RandomModel {

    public static final int VOCABULARY = 83;
    public static final int CONTEXT = 200;

    /// Tokens of a text that is rotated by the factors for short ones.
    static final int SHORT_TEXT = 40;

    private static final int HIDDEN = 76;
    private static final int INTERMEDIATE = 109;
    private static final int HEADS = 6;
    private static final int KEY_VALUE_HEADS = 2;
    static final int HEAD_SIZE = 20;
    private static final int ROTATED = 16;

    private final Random random = new Random(11);
    private final MemoryModel model;

    private RandomModel(ModelPlan plan) {
        model = new MemoryModel(plan, Optional.of("sha256-test"));
    }

    public static MemoryModel create() {
        return create(false);
    }

    /// @param mixture whether the feed-forward networks are mixtures of experts: 2 of 5,
    ///   normalized, in the first layer; 4 of 7, not normalized, in the second
    public static MemoryModel create(boolean mixture) {
        RandomModel maker = new RandomModel(plan(mixture));
        maker.fill();
        return maker.model;
    }

    /// With norms of queries and keys and of what is added, soft caps, multipliers, tensors that
    /// hold several matrices, a layer without rotary positions and one with another rotary, and
    /// other rotary factors for texts of more than [#SHORT_TEXT] tokens.
    public static MemoryModel createUnusual() {
        RandomModel maker = new RandomModel(unusualPlan());
        maker.fill();
        maker.fillUnusual();
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
            fillFeedForward(model.plan().layers().get(l).feedForward(), code);
        }
        model.put("final_norm", vector(HIDDEN, 1f));
    }

    private void fillFeedForward(FeedForward plan, NumberCode code) {
        Mixture mixture = plan.mixture();
        if (mixture != null) {
            model.put(floats(mixture.routerTensor(), mixture.experts(), HIDDEN));
            for (int expert = 0; expert < mixture.experts(); expert++) {
                fillFeedForward(plan.expert(expert), code);
            }
            return;
        }
        model.put(quantized(plan.gateTensor(), code, INTERMEDIATE, HIDDEN, 128));
        model.put(quantized(plan.upTensor(), code, INTERMEDIATE, HIDDEN, 32));
        model.put(quantized(plan.downTensor(), code, HIDDEN, INTERMEDIATE, 32));
    }

    private static FeedForward feedForward(int layer, boolean mixture) {
        String prefix = mixture ? layer + ".{expert}" : Integer.toString(layer);
        return new FeedForward(
                INTERMEDIATE,
                layer == 0 ? Activation.SILU : Activation.GELU_TANH,
                false,
                prefix + ".gate.weight",
                prefix + ".up.weight",
                prefix + ".down.weight",
                mixture
                        ? new Mixture(
                                5 + 2 * layer, 2 + 2 * layer, layer == 0, layer + ".router.weight")
                        : null);
    }

    private static ModelPlan plan(boolean mixture) {
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
                            feedForward(l, mixture),
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

    private void fillUnusual() {
        int width = HEADS * HEAD_SIZE;
        int keyValueWidth = KEY_VALUE_HEADS * HEAD_SIZE;
        model.put(
                quantized("0.qkv.weight", NumberCode.INT4, width + 2 * keyValueWidth, HIDDEN, 64));
        model.put("0.qkv.bias", vector(width + 2 * keyValueWidth, 0f));
        model.put(quantized("0.gate_up.weight", NumberCode.INT8, 2 * INTERMEDIATE, HIDDEN, HIDDEN));
        for (int l = 0; l < 2; l++) {
            boolean whole = l == 1;
            model.put(l + ".query_norm", vector(whole ? width : HEAD_SIZE, 0f));
            model.put(l + ".key_norm", vector(whole ? keyValueWidth : HEAD_SIZE, 0f));
            model.put(l + ".attention_norm", vector(HIDDEN, 0f));
            model.put(l + ".feed_forward_norm", vector(HIDDEN, 0f));
        }
    }

    private static ModelPlan unusualPlan() {
        ModelPlan usual = plan(false);
        List<LayerPlan> layers = new ArrayList<>();
        for (int l = 0; l < 3; l++) {
            // The third layer is the second again, without positions.
            int weights = Math.min(l, 1);
            layers.add(unusual(usual.layers().get(weights), weights, l < 2 ? l : -1));
        }
        Rotary rotary = usual.rotary();
        List<Double> halved = rotary.inverseFrequencies().stream().map(f -> f / 2).toList();
        return new ModelPlan(
                "unusual",
                VOCABULARY,
                HIDDEN,
                CONTEXT,
                usual.embeddingScale(),
                layers,
                new Rotary(ROTATED, rotary.inverseFrequencies(), 1.1, SHORT_TEXT, halved, 0, 0),
                1e-6f,
                false,
                "embedding",
                "final_norm",
                "head",
                List.of(new Rotary(HEAD_SIZE, doubled(), 1)),
                true,
                0.7f,
                0.2f,
                5f);
    }

    private static List<Double> doubled() {
        List<Double> frequencies = new ArrayList<>();
        for (int i = 0; i < HEAD_SIZE / 2; i++) {
            frequencies.add(2 * StrictMath.pow(300, -2.0 * i / HEAD_SIZE));
        }
        return frequencies;
    }

    private static LayerPlan unusual(LayerPlan usual, int l, int rotary) {
        Attention a = usual.attention();
        FeedForward f = usual.feedForward();
        boolean fused = l == 0;
        return new LayerPlan(
                new Attention(
                        a.heads(),
                        a.keyValueHeads(),
                        a.headSize(),
                        a.scale(),
                        a.window(),
                        true,
                        true,
                        fused ? "0.qkv.weight" : a.queryTensor(),
                        fused ? "0.qkv.weight" : a.keyTensor(),
                        fused ? "0.qkv.weight" : a.valueTensor(),
                        a.outputTensor(),
                        l == 0 ? 2.5f : 0,
                        rotary,
                        l + ".query_norm",
                        l + ".key_norm",
                        l == 1),
                new FeedForward(
                        f.intermediateSize(),
                        f.activation(),
                        false,
                        fused ? "0.gate_up.weight" : f.gateTensor(),
                        fused ? "0.gate_up.weight" : f.upTensor(),
                        f.downTensor()),
                l == 0 ? usual.inputNormTensor() : null,
                l == 0 ? usual.postAttentionNormTensor() : null,
                1e-5f,
                l + ".attention_norm",
                l + ".feed_forward_norm");
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
