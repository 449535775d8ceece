package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.compute.KernelSelection;
import dev.tokenlog.engine.transformer.Batch;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Sequence;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How fast a converted model comes from the page cache to its first token, and what stays in
/// memory: resident memory at the end against `1.05 × weights + KV cache + 350 MiB`.
///
/// `LoadBenchmark FOLDER [RECIPE] [COMPUTE] [THREADS] [ROUNDS]`
///
/// The folder keeps an artifact of the shape of TinyLlama-1.1B with random weights, made at the
/// first run (which needs 3 GB of disk for a moment). Each round is what a worker does: open, check
/// every digest, prepare, run a prompt of a few tokens, on kernels that were chosen before. The
/// first round is that of a cold JVM.
public final class LoadBenchmark {

    private static final int HIDDEN = 2048;
    private static final int INTERMEDIATE = 5632;
    private static final int LAYERS = 22;
    private static final int KEYS = 256;
    private static final int VOCABULARY = 32000;
    private static final int PROMPT = 8;

    private static final String CONFIG =
            """
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 2048,
             "intermediate_size": 5632, "num_hidden_layers": 22, "num_attention_heads": 32,
             "num_key_value_heads": 4, "vocab_size": 32000, "tie_word_embeddings": false,
             "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
             "hidden_act": "silu"}
            """;

    private LoadBenchmark() {}

    public static void main(String[] arguments) throws IOException {
        Path folder = Path.of(arguments[0]);
        String recipe = arguments.length > 1 ? arguments[1] : "int4";
        String compute = arguments.length > 2 ? arguments[2] : "auto";
        int threads = arguments.length > 3 ? Integer.parseInt(arguments[3]) : 2;
        int rounds = arguments.length > 4 ? Integer.parseInt(arguments[4]) : 5;
        Path artifact = artifact(folder.resolve(recipe), recipe);
        CpuOptions options = new CpuOptions(compute, threads, Optional.empty());
        KernelSelection kernels = KernelSelection.select(compute);
        System.out.println(kernels.kernels().description() + ", " + threads + " threads");
        System.out.println(
                "round  open+digests  prepare  first token  total    GB/s   resident (own, file)"
                        + "  limit");
        for (int round = 1; round <= rounds; round++) {
            round(round, artifact, options, kernels);
        }
    }

    private static void round(int number, Path folder, CpuOptions options, KernelSelection kernels)
            throws IOException {
        long begin = System.nanoTime();
        try (Artifact artifact = Artifact.open(folder, true)) {
            double opened = seconds(begin);
            try (CpuExecutor executor = CpuExecutor.open(artifact, options, kernels)) {
                double prepared = seconds(begin);
                firstToken(executor);
                double total = seconds(begin);
                long weights = artifact.manifest().statistics().bytes();
                // Pages of 16 positions of the prompt; too few to count.
                double limit = 1.05 * weights + (350 << 20);
                System.out.printf(
                        Locale.ROOT,
                        "%5d  %9.2f s %9.2f s %9.2f s %7.2f s %6.2f  %5d MiB (%d, %d) %7.0f MiB, peak %d%n",
                        number,
                        opened,
                        prepared - opened,
                        total - prepared,
                        total,
                        weights / total / 1e9,
                        memory("VmRSS") >> 20,
                        memory("RssAnon") >> 20,
                        memory("RssFile") >> 20,
                        limit / (1 << 20),
                        memory("VmHWM") >> 20);
            }
        }
    }

    private static void firstToken(CpuExecutor executor) {
        Batch batch = executor.newBatch(PROMPT, 1);
        try (Sequence sequence = executor.newSequence()) {
            sequence.fit(PROMPT);
            sequence.reserve(PROMPT);
            for (int i = 0; i < PROMPT; i++) {
                batch.add(sequence, i * 1999 % VOCABULARY, i, i == PROMPT - 1);
            }
            executor.step(batch);
        }
    }

    private static double seconds(long begin) {
        return (System.nanoTime() - begin) / 1e9;
    }

    /// A line of proc_pid_status(5), in bytes.
    private static long memory(String name) throws IOException {
        String status = Files.readString(Path.of("/proc/self/status"));
        Matcher matcher = Pattern.compile("(?m)^" + name + ":\\s+([0-9]+) kB$").matcher(status);
        return matcher.find() ? Long.parseLong(matcher.group(1)) << 10 : -1;
    }

    private static Path artifact(Path folder, String recipe) throws IOException {
        ArtifactStore store = new ArtifactStore(folder);
        if (store.list().isEmpty()) {
            Path source = Files.createDirectories(folder.resolve("source"));
            Path weights = source.resolve("model.safetensors");
            Files.writeString(source.resolve("config.json"), CONFIG);
            writeWeights(weights);
            try (SourceModel model = SourceModel.open(source)) {
                new Converter()
                        .convert(model, Recipe.parse(recipe), store, new ConversionListener() {})
                        .close();
            }
            Files.delete(weights);
        }
        return store.find(store.list().getFirst()).orElseThrow();
    }

    private record Shape(String name, int rows, int columns) {
        long bytes() {
            return 2L * rows * columns;
        }

        String shape() {
            return columns == 1 ? "[" + rows + "]" : "[" + rows + "," + columns + "]";
        }
    }

    private static List<Shape> shapes() {
        List<Shape> shapes = new ArrayList<>();
        shapes.add(new Shape("model.embed_tokens.weight", VOCABULARY, HIDDEN));
        shapes.add(new Shape("lm_head.weight", VOCABULARY, HIDDEN));
        shapes.add(new Shape("model.norm.weight", HIDDEN, 1));
        for (int i = 0; i < LAYERS; i++) {
            String layer = "model.layers." + i + ".";
            shapes.add(new Shape(layer + "input_layernorm.weight", HIDDEN, 1));
            shapes.add(new Shape(layer + "post_attention_layernorm.weight", HIDDEN, 1));
            shapes.add(new Shape(layer + "self_attn.q_proj.weight", HIDDEN, HIDDEN));
            shapes.add(new Shape(layer + "self_attn.k_proj.weight", KEYS, HIDDEN));
            shapes.add(new Shape(layer + "self_attn.v_proj.weight", KEYS, HIDDEN));
            shapes.add(new Shape(layer + "self_attn.o_proj.weight", HIDDEN, HIDDEN));
            shapes.add(new Shape(layer + "mlp.gate_proj.weight", INTERMEDIATE, HIDDEN));
            shapes.add(new Shape(layer + "mlp.up_proj.weight", INTERMEDIATE, HIDDEN));
            shapes.add(new Shape(layer + "mlp.down_proj.weight", HIDDEN, INTERMEDIATE));
        }
        return shapes;
    }

    /// Numbers between -0.03 and 0.03, in BF16; a block of them again and again.
    private static void writeWeights(Path file) throws IOException {
        StringBuilder header = new StringBuilder("{");
        long at = 0;
        for (Shape shape : shapes()) {
            header.append(header.length() == 1 ? "" : ",")
                    .append(
                            "\"%s\":{\"dtype\":\"BF16\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                                    .formatted(
                                            shape.name(), shape.shape(), at, at + shape.bytes()));
            at += shape.bytes();
        }
        header.append("}");
        byte[] json = header.toString().getBytes(StandardCharsets.UTF_8);
        ByteBuffer block = ByteBuffer.allocate(1 << 21).order(ByteOrder.LITTLE_ENDIAN);
        Random random = new Random(1);
        while (block.hasRemaining()) {
            float number = (random.nextFloat() - 0.5f) * 0.06f;
            block.putShort((short) (Float.floatToRawIntBits(number) >>> 16));
        }
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file))) {
            out.write(
                    ByteBuffer.allocate(8)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(json.length)
                            .array());
            out.write(json);
            for (long left = at; left > 0; left -= block.capacity()) {
                out.write(block.array(), 0, (int) Math.min(left, block.capacity()));
            }
        }
    }
}
