package dev.tokenlog.benchmarks;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.ModelShapes;
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

/// Writes a folder as the hub has them, in one of the [known shapes][ModelShapes] (also with fewer
/// layers): normal weights of deviation 0.02 in bfloat16, and a tokenizer of single bytes with
/// made-up words for all other ids. For measurements that need a model of this size on disk and not
/// what it says.
///
/// `RandomSource FOLDER [SHAPE [LAYERS]]`, `tinyllama-1.1b` if none is named
public final class RandomSource {

    /// The file that takes nearly all of the room.
    static final String WEIGHTS = "model.safetensors";

    private static final String TINYLLAMA = "tinyllama-1.1b";
    private static final int PIECE = 1 << 20;

    private RandomSource() {}

    public static void main(String[] arguments) throws IOException {
        ObjectNode config = ModelShapes.config(arguments.length < 2 ? TINYLLAMA : arguments[1]);
        if (arguments.length > 2) {
            config.put("num_hidden_layers", Integer.parseInt(arguments[2]));
        }
        write(Path.of(arguments[0]), config);
    }

    static void write(Path folder) throws IOException {
        write(folder, ModelShapes.config(TINYLLAMA));
    }

    private static void write(Path folder, ObjectNode config) throws IOException {
        Files.createDirectories(folder);
        config.putArray("architectures").add("LlamaForCausalLM");
        config.put("torch_dtype", "bfloat16");
        Path file = folder.resolve("config.json");
        Files.writeString(file, config.toPrettyString());
        Files.writeString(
                folder.resolve("tokenizer.json"), tokenizer(config.get("vocab_size").intValue()));
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}");
        weights(folder.resolve(WEIGHTS), ModelPlans.read(file));
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
    private static String tokenizer(int size) {
        StringJoiner vocabulary = new StringJoiner(", ");
        int other = 256;
        for (int b = 0; b < 256; b++) {
            boolean prints = b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae;
            int character = prints ? b : other++;
            vocabulary.add("\"\\u%04x\": %d".formatted(character, b));
        }
        for (int id = 256; id < size; id++) {
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
