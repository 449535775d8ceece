package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Activation;
import dev.tokenlog.engine.architecture.ModelPlan.Attention;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// The published greedy texts of a real trained model in another project's file format (llama2.c,
/// MIT). Its rotary pairs are neighbours; ours are half a head apart, so query and key rows are put
/// in that order.
class Stories260KTest {

    private static final int BEGIN_OF_SEQUENCE = 1;
    private static final int[] ZOO = {1, 410, 469, 347};

    @Test
    void greedyTextFromNothing() throws IOException {
        Path folder = TestFiles.shared("stories260K");
        String expected = Files.readString(folder.resolve("expected_greedy_256.txt")).strip();

        String text = continuation(folder, new int[] {BEGIN_OF_SEQUENCE}, 256).strip();

        assertThat(text).isEqualTo(expected);
    }

    @Test
    void greedyTextFromPrompt() throws IOException {
        Path folder = TestFiles.shared("stories260K");
        String expected = Files.readString(folder.resolve("expected_zoo_60.txt")).strip();

        String text = continuation(folder, ZOO, 57).stripTrailing();

        assertThat("Zoo" + text).isEqualTo(expected);
    }

    private static String continuation(Path folder, int[] prompt, int count) throws IOException {
        try (Model model = read(folder.resolve("stories260K.bin"));
                Executor executor =
                        CpuExecutor.open(model, CpuOptions.automatic().withThreads(2))) {
            return text(
                    vocabulary(folder.resolve("tok512.bin")),
                    Logits.greedy(executor, prompt, count, BEGIN_OF_SEQUENCE));
        }
    }

    private static String text(List<String> vocabulary, int[] ids) {
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            String piece = vocabulary.get(id);
            text.append(piece.equals("<0x0A>") ? "\n" : piece);
        }
        return text.toString();
    }

    /// `int max_token_length`, then per token a float score, an int length and its bytes.
    private static List<String> vocabulary(Path file) throws IOException {
        ByteBuffer bytes = little(file);
        bytes.getInt();
        List<String> pieces = new ArrayList<>();
        while (bytes.hasRemaining()) {
            bytes.getFloat();
            byte[] piece = new byte[bytes.getInt()];
            bytes.get(piece);
            pieces.add(new String(piece, StandardCharsets.UTF_8));
        }
        return pieces;
    }

    private static Model read(Path file) throws IOException {
        ByteBuffer bytes = little(file);
        int dim = bytes.getInt();
        int hiddenDim = bytes.getInt();
        int layers = bytes.getInt();
        int heads = bytes.getInt();
        int keyValueHeads = bytes.getInt();
        int vocabulary = bytes.getInt();
        int context = bytes.getInt();
        int headSize = dim / heads;
        int keyValueDim = keyValueHeads * headSize;
        FloatBuffer floats = bytes.slice().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();

        MemoryModel model =
                new MemoryModel(
                        plan(dim, hiddenDim, layers, heads, keyValueHeads, vocabulary, context),
                        Optional.empty());
        model.put(matrix("embedding", vocabulary, dim, take(floats, vocabulary * dim)));
        for (int l = 0; l < layers; l++) {
            model.put(l + ".input_norm", take(floats, dim));
        }
        for (int l = 0; l < layers; l++) {
            float[] rows = halves(take(floats, dim * dim), headSize, dim);
            model.put(matrix(l + ".query", dim, dim, rows));
        }
        for (int l = 0; l < layers; l++) {
            float[] rows = halves(take(floats, keyValueDim * dim), headSize, dim);
            model.put(matrix(l + ".key", keyValueDim, dim, rows));
        }
        for (int l = 0; l < layers; l++) {
            model.put(matrix(l + ".value", keyValueDim, dim, take(floats, keyValueDim * dim)));
        }
        for (int l = 0; l < layers; l++) {
            model.put(matrix(l + ".output", dim, dim, take(floats, dim * dim)));
        }
        for (int l = 0; l < layers; l++) {
            model.put(l + ".post_attention_norm", take(floats, dim));
        }
        for (int l = 0; l < layers; l++) {
            model.put(matrix(l + ".gate", hiddenDim, dim, take(floats, hiddenDim * dim)));
        }
        for (int l = 0; l < layers; l++) {
            model.put(matrix(l + ".down", dim, hiddenDim, take(floats, dim * hiddenDim)));
        }
        for (int l = 0; l < layers; l++) {
            model.put(matrix(l + ".up", hiddenDim, dim, take(floats, hiddenDim * dim)));
        }
        model.put("final_norm", take(floats, dim));
        return model;
    }

    private static ModelPlan plan(
            int dim,
            int hiddenDim,
            int layers,
            int heads,
            int keyValueHeads,
            int vocabulary,
            int context) {
        int headSize = dim / heads;
        List<LayerPlan> plans = new ArrayList<>();
        for (int l = 0; l < layers; l++) {
            plans.add(
                    new LayerPlan(
                            new Attention(
                                    heads,
                                    keyValueHeads,
                                    headSize,
                                    (float) (1 / Math.sqrt(headSize)),
                                    0,
                                    false,
                                    false,
                                    l + ".query",
                                    l + ".key",
                                    l + ".value",
                                    l + ".output"),
                            new FeedForward(
                                    hiddenDim,
                                    Activation.SILU,
                                    false,
                                    l + ".gate",
                                    l + ".up",
                                    l + ".down"),
                            l + ".input_norm",
                            l + ".post_attention_norm",
                            1e-5f));
        }
        List<Double> frequencies = new ArrayList<>();
        for (int i = 0; i < headSize / 2; i++) {
            frequencies.add(StrictMath.pow(10000, -2.0 * i / headSize));
        }
        return new ModelPlan(
                "llama2.c",
                vocabulary,
                dim,
                context,
                1f,
                plans,
                new Rotary(headSize, frequencies, 1),
                1e-5f,
                true,
                "embedding",
                "final_norm",
                "embedding");
    }

    /// Rows (2i, 2i+1) of each head to rows (i, i + headSize / 2).
    private static float[] halves(float[] weights, int headSize, int columns) {
        float[] result = new float[weights.length];
        for (int row = 0; row < weights.length / columns; row++) {
            int inHead = row % headSize;
            int target = row - inHead + inHead / 2 + inHead % 2 * (headSize / 2);
            System.arraycopy(weights, row * columns, result, target * columns, columns);
        }
        return result;
    }

    private static Matrix matrix(String name, int rows, int columns, float[] values) {
        ByteBuffer bytes =
                ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return new Matrix.Float(name, DataType.F32, rows, columns, MemorySegment.ofBuffer(bytes));
    }

    private static float[] take(FloatBuffer floats, int count) {
        float[] values = new float[count];
        floats.get(values);
        return values;
    }

    private static ByteBuffer little(Path file) throws IOException {
        return ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
    }
}
