package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.quantize.HadamardRotation;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/// A source that computes the same with rotated activations: everything that writes to the residual
/// stream writes it rotated, everything that reads it rotates back, and so for the values of each
/// head. All of it is folded into the weights, nothing is left to do at run time. What it is good
/// for: [HadamardRotation].
///
/// A norm's gain stands between the stream and its reader, so it moves into the reader's columns,
/// and the norm keeps 1. A head that is tied to the embedding is then another matrix than the
/// embedding: the model gets one of its own. Norms of what is *added* to the stream cannot be
/// moved; families that have them are refused.
public final class RotatedModel {

    private final SourceModel source;
    private final ModelPlan plan;
    private final Rotation rotation;
    private final Map<String, TensorFold> folds = new HashMap<>();
    private final Map<String, String> copies = new HashMap<>();

    private RotatedModel(SourceModel source, Rotation rotation) {
        this.source = source;
        this.plan = source.plan();
        this.rotation = rotation;
    }

    /// @return closed before the source is
    /// @throws EngineException `UNSUPPORTED`, naming family and tensor
    public static SourceModel of(SourceModel source, Rotation rotation) {
        RotatedModel rotated = new RotatedModel(source, rotation);
        rotated.heads();
        ModelPlan plan = source.plan();
        if (rotation.kind() == Rotation.Kind.HADAMARD) {
            rotated.stream();
            plan = plan.untied(SkippedTensors.HEAD);
        }
        return source.folded(plan, rotated.folds, rotated.copies);
    }

    private HadamardRotation rotation(int size, int number, String what) {
        long seed = ((long) rotation.seed() << 32) + number;
        return HadamardRotation.of(size, seed)
                .orElseThrow(() -> refused("%s of %d numbers".formatted(what, size)));
    }

    private EngineException refused(String why) {
        return new EngineException(
                Reason.UNSUPPORTED,
                "%s: rotation '%s' cannot be folded into a %s: %s"
                        .formatted(source.path(), rotation.canonical(), plan.family(), why));
    }

    private TensorFold fold(String tensor) {
        return folds.getOrDefault(tensor, TensorFold.NONE);
    }

    /// The values of each head.
    private void heads() {
        int number = 0;
        for (LayerPlan layer : plan.layers()) {
            number++;
            Attention attention = layer.attention();
            HadamardRotation head = rotation(attention.headSize(), number, "a head");
            int width = attention.keyValueWidth();
            int first = attention.fused() ? attention.queryWidth() + width : 0;
            String value = attention.valueTensor();
            folds.put(value, fold(value).withRowRotation(head, first, width));
            if (attention.queryKeyValueBias()) {
                folds.put(
                        PlannedTensor.biasOf(value),
                        TensorFold.NONE.withRowRotation(head, first, width));
            }
            folds.put(attention.outputTensor(), TensorFold.NONE.withColumns(null, head));
        }
    }

    private void stream() {
        HadamardRotation stream = rotation(plan.hiddenSize(), 0, "a residual stream");
        embedding(stream);
        for (LayerPlan layer : plan.layers()) {
            refuseNorm(layer.attentionOutputNormTensor());
            refuseNorm(layer.feedForwardOutputNormTensor());
            Attention attention = layer.attention();
            double[] gain = gain(layer.inputNormTensor());
            read(attention.queryTensor(), gain, stream);
            read(attention.keyTensor(), gain, stream);
            read(attention.valueTensor(), gain, stream);
            write(attention.outputTensor(), attention.outputBias(), stream);
            feedForward(layer, stream);
        }
    }

    private void embedding(HadamardRotation stream) {
        String embedding = plan.embeddingTensor();
        String head = plan.tiedEmbeddings() ? SkippedTensors.HEAD : plan.headTensor();
        if (plan.tiedEmbeddings()) {
            copies.put(head, embedding);
        }
        folds.put(embedding, TensorFold.NONE.withColumns(null, stream));
        folds.put(head, TensorFold.NONE.withColumns(gain(plan.finalNormTensor()), stream));
    }

    private void feedForward(LayerPlan layer, HadamardRotation stream) {
        double[] gain = gain(layer.postAttentionNormTensor());
        FeedForward network = layer.feedForward();
        if (network.mixture() == null) {
            network(network, gain, stream);
            return;
        }
        read(network.mixture().routerTensor(), gain, stream);
        for (int expert = 0; expert < network.mixture().experts(); expert++) {
            network(network.expert(expert), gain, stream);
        }
    }

    private void network(FeedForward network, double[] gain, HadamardRotation stream) {
        read(network.gateTensor(), gain, stream);
        read(network.upTensor(), gain, stream);
        write(network.downTensor(), network.bias(), stream);
    }

    private void refuseNorm(String tensor) {
        if (tensor != null) {
            throw refused(
                    "'%s' is a norm of what is added to the residual stream".formatted(tensor));
        }
    }

    /// What a norm multiplies by; the norm itself multiplies by 1 from now on.
    private double[] gain(String norm) {
        if (norm == null) {
            throw refused("a layer without a norm of its input");
        }
        float[] stored = source.vector(norm);
        float[] neutral = new float[stored.length];
        Arrays.fill(neutral, plan.unitOffsetNorms() ? 0f : 1f);
        folds.put(norm, TensorFold.values(neutral));
        double[] gain = new double[stored.length];
        for (int i = 0; i < gain.length; i++) {
            gain[i] = plan.unitOffsetNorms() ? 1f + stored[i] : stored[i];
        }
        return gain;
    }

    private void read(String tensor, double[] gain, HadamardRotation stream) {
        folds.put(tensor, fold(tensor).withColumns(gain, stream));
    }

    private void write(String tensor, boolean biased, HadamardRotation stream) {
        folds.put(tensor, fold(tensor).withRowRotation(stream, 0, plan.hiddenSize()));
        if (biased) {
            folds.put(
                    PlannedTensor.biasOf(tensor),
                    TensorFold.NONE.withRowRotation(stream, 0, plan.hiddenSize()));
        }
    }
}
