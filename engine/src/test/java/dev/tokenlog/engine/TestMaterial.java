package dev.tokenlog.engine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/// Test material in JSON, and such that needs a repair.
public final class TestMaterial {

    public static final ObjectMapper JSON = new ObjectMapper();

    private TestMaterial() {}

    /// The Llama 2 tokenizer in a folder of its own. In the published copy the no-break spaces of
    /// four pieces and three merges have become spaces, and its authors' library refuses it: they
    /// are put back.
    public static Path llama2Tokenizer(Path folder) throws IOException {
        Path published = TestFiles.shared("llama2-tokenizer");
        ObjectNode tokenizer = (ObjectNode) json(published.resolve("tokenizer.json"));
        ObjectNode model = (ObjectNode) tokenizer.path("model");
        ObjectNode vocabulary = JSON.createObjectNode();
        model.path("vocab")
                .properties()
                .forEach(e -> vocabulary.set(e.getKey().replace(' ', '\u00a0'), e.getValue()));
        model.set("vocab", vocabulary);
        ArrayNode merges = (ArrayNode) model.path("merges");
        for (int i = 0; i < merges.size(); i++) {
            String merge = merges.get(i).textValue();
            if (merge.split(" ", -1).length != 2) {
                int middle = merge.length() / 2;
                String restored = merge.replace(' ', '\u00a0');
                merges.set(i, restored.substring(0, middle) + " " + restored.substring(middle + 1));
            }
        }
        Files.write(folder.resolve("tokenizer.json"), JSON.writeValueAsBytes(tokenizer));
        Files.copy(
                published.resolve("tokenizer_config.json"),
                folder.resolve("tokenizer_config.json"),
                StandardCopyOption.REPLACE_EXISTING);
        return folder;
    }

    public static JsonNode json(Path file) throws IOException {
        return JSON.readTree(file.toFile());
    }
}
