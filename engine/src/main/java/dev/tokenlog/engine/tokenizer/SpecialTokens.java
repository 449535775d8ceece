package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/// What the configuration files of a model folder say about special tokens.
final class SpecialTokens {

    static final String TOKENIZER_CONFIG = "tokenizer_config.json";

    private SpecialTokens() {}

    /// `bos_token`, `eos_token` and the like by name, from `special_tokens_map.json` and
    /// `tokenizer_config.json`.
    static Map<String, String> byName(Path folder) {
        Map<String, String> tokens = new LinkedHashMap<>();
        for (String file : new String[] {"special_tokens_map.json", TOKENIZER_CONFIG}) {
            configuration(folder.resolve(file))
                    .ifPresent(configuration ->
                            configuration
                                    .properties()
                                    .forEach(e -> {
                                        String text = text(e.getValue());
                                        if (e.getKey().endsWith("_token") && text != null) {
                                            tokens.put(e.getKey(), text);
                                        }
                                    }));
        }
        return tokens;
    }

    /// The object in a configuration file, if the file is there.
    static Optional<JsonNode> configuration(Path file) {
        return Files.exists(file) ? Optional.of(StrictJson.object(file)) : Optional.empty();
    }

    /// A token is written as its text or as an object with `content`.
    private static String text(JsonNode token) {
        return token.isObject() ? token.path("content").textValue() : token.textValue();
    }

    /// All ids that any of the files names as the end of a sequence: `eos_token_id` (a number or a
    /// list) of `generation_config.json` and `config.json`, and the `eos_token` of the tokenizer.
    /// The files of one model often know different ones of its end tokens.
    static TreeSet<Integer> endOfSequence(Path folder, Map<String, Integer> ids) {
        TreeSet<Integer> ends = new TreeSet<>();
        for (String name : new String[] {"generation_config.json", "config.json"}) {
            Path file = folder.resolve(name);
            Optional<JsonNode> configuration = configuration(file);
            configuration.ifPresent(c -> addIds(file, c.path("eos_token_id"), ends));
        }
        Integer tokenizers = ids.get(byName(folder).get("eos_token"));
        if (tokenizers != null) {
            ends.add(tokenizers);
        }
        return ends;
    }

    private static void addIds(Path file, JsonNode value, TreeSet<Integer> ends) {
        if (value.isMissingNode() || value.isNull()) {
            return;
        }
        for (JsonNode id : value.isArray() ? value : java.util.List.of(value)) {
            if (!id.canConvertToInt() || !id.isIntegralNumber() || id.intValue() < 0) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        file + ": eos_token_id is " + id + ", expected a token id");
            }
            ends.add(id.intValue());
        }
    }
}
