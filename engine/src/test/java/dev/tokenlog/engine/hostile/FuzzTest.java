package dev.tokenlog.engine.hostile;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import dev.tokenlog.engine.architecture.ModelPlans;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.GgufFolder;
import dev.tokenlog.engine.artifact.Inspection;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.artifact.TensorValues;
import dev.tokenlog.engine.format.npy.NpyArray;
import dev.tokenlog.engine.format.safetensors.SafetensorsFile;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Every format that a stranger may send, spoiled: see [Fuzzer].
class FuzzTest {

    /// Of JSON that becomes a tree: `[[],[],…` takes some twenty bytes for one.
    private static final Fuzzer.Bound TREE = new Fuzzer.Bound(100, 32L << 20);

    private static final Fuzzer.Bound SMALL = new Fuzzer.Bound(32, 4L << 20);

    @TempDir Path temp;

    /// One file that is made out of one of several good ones.
    private record Spoiled(
            Path file, List<byte[]> good, BiFunction<byte[], RandomGenerator, byte[]> spoil)
            implements Fuzzer.Input {

        @Override
        public long write(RandomGenerator random) throws IOException {
            byte[] seed = good.get(random.nextInt(good.size()));
            byte[] spoiled = spoil.apply(seed, random);
            // A new file: some file systems wait for the disk when an old one is written anew.
            Files.deleteIfExists(file);
            Files.write(file, spoiled);
            return Math.max(seed.length, spoiled.length);
        }
    }

    private static byte[] bytes(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] json(byte[] good, RandomGenerator random) {
        if (random.nextInt(10) == 0) {
            return ByteMutations.mutate(good, random);
        }
        String text = new String(good, StandardCharsets.UTF_8);
        return TextMutations.json(text, random).getBytes(StandardCharsets.UTF_8);
    }

    /// The bytes, or the header under a length that fits.
    private static byte[] safetensors(byte[] good, RandomGenerator random) {
        if (random.nextBoolean()) {
            return ByteMutations.mutate(good, random);
        }
        ByteBuffer buffer = ByteBuffer.wrap(good).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) buffer.getLong(0);
        String header = new String(good, 8, length, StandardCharsets.UTF_8);
        byte[] spoiled = TextMutations.json(header, random).getBytes(StandardCharsets.UTF_8);
        int data = good.length - 8 - length;
        return ByteBuffer.allocate(8 + spoiled.length + data)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(spoiled.length)
                .put(spoiled)
                .put(good, 8 + length, data)
                .array();
    }

    private static byte[] smallSafetensors() {
        String header =
                """
                {"__metadata__":{"format":"pt"},
                 "a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
                 "b":{"dtype":"U8","shape":[4],"data_offsets":[24,28]},
                 "c":{"dtype":"BF16","shape":[0,7],"data_offsets":[28,28]}}\
                """;
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + json.length + 28)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .array();
    }

    @Test
    void safetensors() {
        Path file = temp.resolve("model.safetensors");
        Fuzzer.run(
                "safetensors",
                new Spoiled(file, List.of(smallSafetensors()), FuzzTest::safetensors),
                () -> {
                    try (Arena arena = Arena.ofConfined()) {
                        SafetensorsFile.open(file, arena)
                                .tensors()
                                .forEach(t -> t.data().byteSize());
                    }
                },
                SMALL);
    }

    @Test
    void configurations() {
        Path file = temp.resolve("config.json");
        List<byte[]> good =
                TestFiles.goldenModels().stream()
                        .map(name -> bytes(TestFiles.golden(name).resolve("config.json")))
                        .toList();
        Fuzzer.run(
                "config.json",
                new Spoiled(file, good, FuzzTest::json),
                () -> PlannedTensor.of(ModelPlans.read(file)),
                TREE);
    }

    @Test
    void configurations_beside_weights() {
        Path folder = TestFiles.copy(TestFiles.golden("mixtral"), temp.resolve("model"));
        Path file = folder.resolve("config.json");
        Fuzzer.run(
                "model folder",
                new Spoiled(file, List.of(bytes(file)), FuzzTest::json),
                () -> SourceModel.open(folder).close(),
                TREE);
    }

    @Test
    void indexes() {
        Path folder = TestFiles.copy(TestFiles.golden("llama-3.2"), temp.resolve("model"));
        Path file = folder.resolve("model.safetensors.index.json");
        Fuzzer.run(
                "index",
                new Spoiled(file, List.of(bytes(file)), FuzzTest::json),
                () -> SourceModel.open(folder).close(),
                TREE);
    }

    @Test
    void manifests() throws IOException {
        Path source = TestFiles.copy(TestFiles.golden("llama"), temp.resolve("model"));
        Files.writeString(source.resolve("generation_config.json"), "{\"eos_token_id\": 2}");
        Path artifact;
        try (SourceModel model = SourceModel.open(source);
                Artifact converted =
                        new Converter(1)
                                .convert(
                                        model,
                                        Recipe.of(NumberCode.INT4),
                                        new ArtifactStore(temp.resolve("store")),
                                        new ConversionListener() {})) {
            artifact = TestFiles.copy(converted.folder(), temp.resolve("artifact"));
        }
        Path file = artifact.resolve("manifest.json");
        Fuzzer.run(
                "manifest",
                new Spoiled(file, List.of(bytes(file)), FuzzTest::json),
                () -> Artifact.open(artifact, false).close(),
                TREE);
    }

    @Test
    void arrays() {
        Path file = temp.resolve("array.npy");
        byte[] header =
                "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n"
                        .getBytes(StandardCharsets.US_ASCII);
        byte[] good =
                ByteBuffer.allocate(10 + header.length + 24)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0})
                        .putShort((short) header.length)
                        .put(header)
                        .array();
        Fuzzer.run(
                "npy",
                new Spoiled(file, List.of(good), ByteMutations::mutate),
                () -> NpyArray.read(file),
                SMALL);
    }

    @Test
    void gguf_files() {
        Path file = temp.resolve("model.gguf");
        List<byte[]> good =
                Stream.of("llama.q4_0.gguf", "qwen3-moe.bf16.gguf", "gemma.bf16.gguf")
                        .map(name -> bytes(TestFiles.resource("gguf/" + name)))
                        .toList();
        Fuzzer.run(
                "gguf",
                new Spoiled(
                        file,
                        good,
                        (bytes, random) -> {
                            // Rarely the counts, often the keys and the tensors' headers.
                            int front = random.nextInt(4) == 0 ? 64 : 24_000;
                            return ByteMutations.mutate(bytes, front, random);
                        }),
                () -> SourceModel.open(file).close(),
                TREE);
    }

    @Test
    void gguf_tokenizers() {
        Path file = temp.resolve("model.gguf");
        List<byte[]> good =
                Stream.of("llama.q4_0.gguf", "gemma.bf16.gguf")
                        .map(name -> bytes(TestFiles.resource("gguf/" + name)))
                        .toList();
        Fuzzer.run(
                "gguf tokenizer",
                new Spoiled(
                        file, good, (bytes, random) -> ByteMutations.mutate(bytes, 24_000, random)),
                () -> {
                    try (GgufFolder folder = GgufFolder.tokenizer(file)) {
                        tokenizer(folder.folder());
                    }
                },
                TREE);
    }

    // --- tokenizers and templates

    private Path tokenizerFolder() throws IOException {
        Path folder = Files.createDirectory(temp.resolve("tokenizer"));
        Files.writeString(
                folder.resolve("vocab.json"),
                """
                {"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120a": 4, "<|endoftext|>": 5, "c": 6}
                """);
        Files.writeString(folder.resolve("merges.txt"), "#version: 0.2\na b\n\u0120 a\n");
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                """
                {"tokenizer_class": "GPT2Tokenizer", "bos_token": "<|endoftext|>",
                 "eos_token": {"content": "<|endoftext|>", "lstrip": false, "special": true},
                 "add_bos_token": true, "add_prefix_space": false, "model_max_length": 1024,
                 "additional_special_tokens": ["<|x|>"],
                 "added_tokens_decoder": {"7": {"content": "<|x|>", "special": true,
                   "normalized": false, "single_word": false, "lstrip": false, "rstrip": false}},
                 "chat_template": [{"name": "default",
                    "template": "{% for m in messages %}{{ m.content }}{% endfor %}"}]}
                """);
        Files.writeString(
                folder.resolve("special_tokens_map.json"),
                "{\"unk_token\": \"<|endoftext|>\", \"pad_token\": {\"content\": \"c\"}}");
        Files.writeString(folder.resolve("added_tokens.json"), "{\"<|y|>\": 8}");
        Files.writeString(
                folder.resolve("generation_config.json"),
                "{\"eos_token_id\": [5, 2], \"bos_token_id\": 5, \"max_length\": 20}");
        return folder;
    }

    private static void tokenizer(Path folder) {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder)) {
            tokenizer.decode(tokenizer.encode("ab a\u00e9", true), false);
        }
    }

    @Test
    void files_beside_a_tokenizer() throws IOException {
        Path folder = tokenizerFolder();
        List<Path> files =
                Stream.of(
                                "vocab.json",
                                "tokenizer_config.json",
                                "special_tokens_map.json",
                                "added_tokens.json",
                                "generation_config.json")
                        .map(folder::resolve)
                        .toList();
        List<byte[]> good = files.stream().map(FuzzTest::bytes).toList();
        Fuzzer.run(
                "tokenizer configs",
                new Fuzzer.Input() {
                    private int number;

                    @Override
                    public long write(RandomGenerator random) throws IOException {
                        Files.delete(files.get(number));
                        Files.write(files.get(number), good.get(number));
                        number = random.nextInt(files.size());
                        byte[] spoiled = json(good.get(number), random);
                        Files.delete(files.get(number));
                        Files.write(files.get(number), spoiled);
                        return spoiled.length;
                    }

                    @Override
                    public Path file() {
                        return files.get(number);
                    }
                },
                () -> {
                    tokenizer(folder);
                    ChatTemplate.open(folder);
                },
                TREE);
    }

    @Test
    void merges() throws IOException {
        Path folder = tokenizerFolder();
        Path file = folder.resolve("merges.txt");
        Fuzzer.run(
                "merges.txt",
                new Spoiled(file, List.of(bytes(file)), ByteMutations::mutate),
                () -> tokenizer(folder),
                TREE);
    }

    @Test
    void tokenizer_files() throws IOException {
        Path folder = Files.createDirectory(temp.resolve("tokenizer"));
        Path file = folder.resolve("tokenizer.json");
        List<byte[]> good = new ArrayList<>();
        for (String name : List.of("bpe-llama", "unigram-bytes")) {
            good.add(small(name));
        }
        Fuzzer.run(
                "tokenizer.json",
                new Spoiled(file, good, FuzzTest::json),
                () -> tokenizer(folder),
                TREE);
    }

    /// A `tokenizer.json` that our translation makes of a small SentencePiece model.
    private static byte[] small(String name) {
        return dev.tokenlog.engine.tokenizer.TokenizerSource.read(
                        TestFiles.resource("tokenizers/" + name))
                .json()
                .getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void sentencepiece_models() throws IOException {
        Path folder = Files.createDirectory(temp.resolve("tokenizer"));
        Path file = folder.resolve("tokenizer.model");
        List<byte[]> good =
                Stream.of("bpe-llama", "unigram-nfkc")
                        .map(name -> TestFiles.resource("tokenizers/" + name))
                        .map(resource -> bytes(resource.resolve("tokenizer.model")))
                        .toList();
        Fuzzer.run(
                "tokenizer.model",
                new Spoiled(file, good, ByteMutations::mutate),
                () -> tokenizer(folder),
                new Fuzzer.Bound(400, 32L << 20));
    }

    /// The archive's bytes, spoiled where it is described: at the front and at the end.
    private static byte[] archive(byte[] good, RandomGenerator random) {
        if (random.nextBoolean()) {
            return ByteMutations.mutate(good, random);
        }
        int tail = Math.min(good.length, 4096);
        byte[] end = Arrays.copyOfRange(good, good.length - tail, good.length);
        byte[] spoiled = ByteMutations.mutate(end, tail, random);
        byte[] all = Arrays.copyOf(good, good.length - tail + spoiled.length);
        System.arraycopy(spoiled, 0, all, good.length - tail, spoiled.length);
        return all;
    }

    @Test
    void archives_of_arrays() {
        Path file = temp.resolve("a.npz");
        List<byte[]> good =
                Stream.of("converter.npz", "named.npz")
                        .map(name -> bytes(TestFiles.resource("manifests/" + name)))
                        .toList();
        Fuzzer.run(
                "NPZ",
                new Spoiled(file, good, FuzzTest::archive),
                () -> Inspection.of(file),
                new Fuzzer.Bound(64, 8L << 20));
    }

    @Test
    void values_in_archives_of_arrays() {
        Path file = temp.resolve("a.npz");
        Path out = temp.resolve("out.npy");
        List<byte[]> good = List.of(bytes(TestFiles.resource("manifests/named.npz")));
        Fuzzer.run(
                "NPZ values",
                new Spoiled(file, good, FuzzTest::archive),
                () -> TensorValues.write(file, "transformer.layers.1.mlp.gate_proj.weight", out),
                new Fuzzer.Bound(64, 8L << 20));
    }

    @Test
    void manifests_of_loose_arrays() {
        for (String form : List.of("list-form", "map-form")) {
            Path folder =
                    TestFiles.copy(TestFiles.resource("manifests/" + form), temp.resolve(form));
            Path file = folder.resolve("manifest.json");
            Fuzzer.run(
                    "manifest " + form,
                    new Spoiled(file, List.of(bytes(file)), FuzzTest::json),
                    () -> Inspection.of(file),
                    TREE);
        }
    }

    @Test
    void arrays_of_a_manifest() {
        Path folder =
                TestFiles.copy(TestFiles.resource("manifests/list-form"), temp.resolve("list"));
        Path file = folder.resolve("layer_0_self_attn_q_proj_weight_q4_scales.npy");
        Fuzzer.run(
                "array of manifest",
                new Spoiled(file, List.of(bytes(file)), ByteMutations::mutate),
                () -> Inspection.of(folder.resolve("manifest.json")),
                SMALL);
    }

    @Test
    void templates() throws IOException {
        Path folder = Files.createDirectory(temp.resolve("template"));
        Path file = folder.resolve("chat_template.jinja");
        List<String> good = templateTexts();
        List<Map<String, Object>> messages =
                List.of(
                        Map.of("role", "system", "content", "Be brief."),
                        Map.of("role", "user", "content", "What is 2 + 2?"),
                        Map.of("role", "assistant", "content", "4"));
        List<Map<String, Object>> tools =
                List.of(Map.of("type", "function", "function", Map.of("name", "f")));
        Fuzzer.run(
                "chat template",
                new Spoiled(
                        file,
                        good.stream().map(t -> t.getBytes(StandardCharsets.UTF_8)).toList(),
                        (text, random) ->
                                TextMutations.template(
                                                new String(text, StandardCharsets.UTF_8),
                                                good,
                                                random)
                                        .getBytes(StandardCharsets.UTF_8)),
                () -> ChatTemplate.open(folder).render(messages, true, tools, Instant.EPOCH),
                new Fuzzer.Bound(1000, 1L << 29));
    }

    /// The templates of the interpreter's own cases, with the names of what a model's template has.
    private static List<String> templateTexts() throws IOException {
        List<String> texts = new ArrayList<>();
        for (JsonNode test :
                TestMaterial.json(TestFiles.resource("jinja/jinja-cases.json")).path("cases")) {
            String template = test.path("template").asText();
            texts.add(
                    "{% set list = messages %}{% set s = messages[0].content %}"
                            + "{% set map = messages[1] %}{% set n = 7 %}"
                            + template);
        }
        return texts;
    }
}
