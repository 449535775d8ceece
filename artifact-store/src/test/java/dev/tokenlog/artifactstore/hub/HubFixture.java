package dev.tokenlog.artifactstore.hub;

import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.tokenlog.artifactstore.hub.HubSettings.Patience;
import dev.tokenlog.engine.EngineException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;

/// What the tests of the hub share: little repositories, and settings that do not wait for long.
final class HubFixture {

    static final String TOKEN = "hf_TopSecretTokenOfTheTests";

    static final Patience QUICK =
            new Patience(Duration.ofMillis(800), 3, Duration.ofMillis(2), Duration.ofSeconds(3), 3);

    static final String CONFIG =
            """
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":8,
             "intermediate_size":16,"num_attention_heads":2,"num_hidden_layers":1,"vocab_size":32,
             "max_position_embeddings":64,"torch_dtype":"float32"}\
            """;

    private HubFixture() {}

    /// A model in one file. The weights are any bytes: nobody reads them here.
    static Map<String, byte[]> model(int weights) {
        Map<String, byte[]> files = new TreeMap<>();
        files.put("config.json", utf8(CONFIG));
        files.put("tokenizer.json", utf8("{\"version\":\"1.0\"}"));
        files.put("tokenizer_config.json", utf8("{}"));
        files.put("README.md", utf8("# not downloaded"));
        files.put("model.safetensors", bytes(1, weights));
        return files;
    }

    /// A model in shards with an index.
    static Map<String, byte[]> sharded(int shards, int weights) {
        Map<String, byte[]> files = model(0);
        files.remove("model.safetensors");
        StringBuilder map = new StringBuilder();
        for (int i = 1; i <= shards; i++) {
            String name = "model-%05d-of-%05d.safetensors".formatted(i, shards);
            files.put(name, bytes(i, weights));
            map.append(i == 1 ? "" : ",").append("\"tensor.%d\":\"%s\"".formatted(i, name));
        }
        files.put("model.safetensors.index.json", utf8("{\"weight_map\":{" + map + "}}"));
        return files;
    }

    static byte[] bytes(long seed, int count) {
        byte[] bytes = new byte[count];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static HubSettings settings(FakeHub hub, Path home, String... more) {
        Map<String, String> environment = new HashMap<>();
        environment.put("HF_ENDPOINT", hub.endpoint());
        environment.put("HF_HOME", home.toString());
        for (int i = 0; i < more.length; i += 2) {
            environment.put(more[i], more[i + 1]);
        }
        return HubSettings.of(environment, home).withPatience(QUICK);
    }

    static Hub hub(FakeHub hub, Path home, String... more) {
        return new Hub(settings(hub, home, more));
    }

    static HubSnapshot fetch(Hub hub, String id) {
        return hub.fetch(HubId.parse(id, null), Hub.Part.MODEL, progress -> {}, () -> false);
    }

    static EngineException failure(Hub hub, String id) {
        return catchThrowableOfType(EngineException.class, () -> fetch(hub, id));
    }

    static byte[] read(Path file) {
        try {
            return Files.readAllBytes(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Every file and link below a folder, relative to it.
    static List<String> tree(Path folder) {
        try (Stream<Path> paths = Files.walk(folder)) {
            return paths.filter(path -> !Files.isDirectory(path) || Files.isSymbolicLink(path))
                    .map(path -> folder.relativize(path).toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
