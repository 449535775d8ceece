package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout.Declared;
import dev.tokenlog.engine.format.safetensors.SafetensorsWriter;
import dev.tokenlog.engine.tensor.DataType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SplittableRandom;
import java.util.StringJoiner;

/// Writes a folder as the hub has them, in the shape of TinyLlama-1.1B or Llama-2-7B (their
/// `config.json`, with a context of 4096; of the latter also with fewer layers): normal weights of
/// deviation 0.02 in bfloat16, and a tokenizer of single bytes with made-up words for all other
/// ids. For measurements that need a model of this size on disk and not what it says.
///
/// `RandomSource FOLDER [tinyllama-1.1b | llama-7b [LAYERS]]`
public final class RandomSource {

    /// The file that takes nearly all of the room.
    static final String WEIGHTS = "model.safetensors";

    private static final int VOCABULARY = 32000;
    private static final String CONFIG =
            """
            {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000,
             "hidden_size": %d, "intermediate_size": %d, "num_hidden_layers": %d,
             "num_attention_heads": 32, "num_key_value_heads": %d,
             "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
             "hidden_act": "silu", "tie_word_embeddings": false, "torch_dtype": "bfloat16"}
            """;
    private static final int PIECE = 1 << 20;

    private RandomSource() {}

    private record Shape(int hidden, int intermediate, int layers, int keyValueHeads) {

        static Shape of(String[] arguments) {
            if (arguments.length < 2 || arguments[1].equals("tinyllama-1.1b")) {
                return TINYLLAMA;
            }
            if (!arguments[1].equals("llama-7b")) {
                throw new IllegalArgumentException(arguments[1] + ": no shape");
            }
            int layers = arguments.length < 3 ? 32 : Integer.parseInt(arguments[2]);
            return new Shape(4096, 11008, layers, 32);
        }
    }

    private static final Shape TINYLLAMA = new Shape(2048, 5632, 22, 4);

    public static void main(String[] arguments) throws IOException {
        write(Path.of(arguments[0]), Shape.of(arguments));
    }

    static void write(Path folder) throws IOException {
        write(folder, TINYLLAMA);
    }

    private static void write(Path folder, Shape shape) throws IOException {
        Files.createDirectories(folder);
        Path config = folder.resolve("config.json");
        Files.writeString(
                config,
                CONFIG.formatted(
                        shape.hidden(),
                        shape.intermediate(),
                        shape.layers(),
                        shape.keyValueHeads()));
        Files.writeString(folder.resolve("tokenizer.json"), tokenizer());
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}");
        weights(folder.resolve(WEIGHTS), ModelPlans.read(config));
    }

    private static void weights(Path file, ModelPlan plan) {
        List<PlannedTensor> tensors = PlannedTensor.of(plan);
        List<Declared> declared =
                tensors.stream()
                        .map(t -> new Declared(t.name(), DataType.BF16, t.shape()))
                        .toList();
        short[] normal = normal();
        SplittableRandom random = new SplittableRandom(1);
        ByteBuffer piece = ByteBuffer.allocate(2 * PIECE).order(ByteOrder.LITTLE_ENDIAN);
        try (SafetensorsWriter writer =
                new SafetensorsWriter(file, new SafetensorsLayout(Map.of(), declared))) {
            for (PlannedTensor tensor : tensors) {
                boolean norm = tensor.kind() == PlannedTensor.Kind.NORM;
                for (long first = 0; first < tensor.elements(); first += PIECE) {
                    piece.clear();
                    long count = Math.min(PIECE, tensor.elements() - first);
                    for (int i = 0; i < count; i++) {
                        int at = (int) (random.nextLong() >>> 48);
                        piece.putShort(norm ? bfloat16(1) : normal[at]);
                    }
                    writer.write(tensor.name(), 2 * first, piece.flip());
                }
            }
        }
    }

    /// A table to draw from.
    private static short[] normal() {
        Random random = new Random(1);
        short[] table = new short[1 << 16];
        for (int i = 0; i < table.length; i++) {
            table[i] = bfloat16(0.02f * (float) random.nextGaussian());
        }
        return table;
    }

    private static short bfloat16(float value) {
        return (short) (Float.floatToRawIntBits(value) + 0x8000 >> 16);
    }

    /// Byte-level: a byte that prints stands for itself, the others for characters from 256 on.
    private static String tokenizer() {
        StringJoiner vocabulary = new StringJoiner(", ");
        int other = 256;
        for (int b = 0; b < 256; b++) {
            boolean prints = b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae;
            int character = prints ? b : other++;
            vocabulary.add("\"\\u%04x\": %d".formatted(character, b));
        }
        for (int id = 256; id < VOCABULARY; id++) {
            vocabulary.add("\"\\u0120w%d\": %d".formatted(id, id));
        }
        return """
        {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
         "normalizer": null,
         "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false,
           "trim_offsets": true, "use_regex": true},
         "post_processor": null,
         "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
           "use_regex": true},
         "model": {"type": "BPE", "dropout": null, "unk_token": null,
           "continuing_subword_prefix": null, "end_of_word_suffix": null,
           "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
           "vocab": {%s}, "merges": []}}
        """
                .formatted(vocabulary);
    }
}
