package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tokenizer.ByteLevelVocabulary.Words;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The tokenizer of a model folder in the form of `tokenizer.json`: that file itself, or the
/// translation of `tokenizer.model` or of `vocab.json` with `merges.txt` where a folder has only
/// those.
///
/// @param file what it was read from
/// @param json the content of a `tokenizer.json`
public record TokenizerSource(Path file, String json) {

    static final String JSON = "tokenizer.json";
    static final String SENTENCE_PIECE = "tokenizer.model";
    static final String VOCABULARY = "vocab.json";
    static final String MERGES = "merges.txt";

    /// Whether a folder has a tokenizer in any of these forms.
    public static boolean isIn(Path folder) {
        return isThere(folder, JSON) || hasTranslation(folder);
    }

    static boolean hasTranslation(Path folder) {
        return isThere(folder, SENTENCE_PIECE)
                || (isThere(folder, VOCABULARY) && isThere(folder, MERGES));
    }

    private static boolean isThere(Path folder, String name) {
        return InputFiles.isThere(folder.resolve(name));
    }

    /// @throws EngineException `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE` or `UNSUPPORTED`, naming the
    ///   file
    public static TokenizerSource read(Path folder) {
        Path json = folder.resolve(JSON);
        if (InputFiles.isThere(json)) {
            return new TokenizerSource(
                    json, StrictJson.text(StrictJson.bytes(json), json.toString()));
        }
        if (hasTranslation(folder)) {
            return translate(folder);
        }
        boolean tekken = isThere(folder, "tekken.json");
        throw new EngineException(
                tekken ? Reason.UNSUPPORTED : Reason.SOURCE_NOT_FOUND,
                json
                        + ": not found"
                        + (tekken ? ", and tekken.json is not supported" : "")
                        + "; a tokenizer is this file, or tokenizer.model, or vocab.json with"
                        + " merges.txt");
    }

    static TokenizerSource translate(Path folder) {
        Path sentencePiece = folder.resolve(SENTENCE_PIECE);
        return InputFiles.isThere(sentencePiece)
                ? sentencePiece(folder, sentencePiece)
                : byteLevel(folder, folder.resolve(VOCABULARY), folder.resolve(MERGES));
    }

    private static TokenizerSource sentencePiece(Path folder, Path file) {
        SentencePieceFile model = SentencePieceFile.parse(file, StrictJson.bytes(file));
        List<SentencePieceVocabulary.Piece> pieces = model.vocabulary().pieces();
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < pieces.size(); id++) {
            ids.putIfAbsent(pieces.get(id).text(), id);
        }
        SpecialTokens special = SpecialTokens.of(folder);
        String json =
                model.vocabulary()
                        .tokenizerJson(
                                special.declared(ids, List.of()),
                                special.before(true, model.beginOfSequence()),
                                special.after(model.endOfSequence()));
        return new TokenizerSource(file, json);
    }

    private static TokenizerSource byteLevel(Path folder, Path file, Path mergesFile) {
        Map<String, Integer> ids = vocabulary(file);
        String[] tokens = new String[1 + ids.values().stream().mapToInt(id -> id).max().orElse(-1)];
        ids.forEach((token, id) -> {
            if (tokens[id] != null) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        file + ": '" + tokens[id] + "' and '" + token + "' have the id " + id);
            }
            tokens[id] = token;
        });
        SpecialTokens special = SpecialTokens.of(folder);
        String json =
                new ByteLevelVocabulary(
                                file.toString(),
                                Arrays.asList(tokens),
                                merges(mergesFile),
                                words(folder),
                                special.isSet("add_prefix_space"),
                                false)
                        .tokenizerJson(
                                special.declared(ids, List.of("<|endoftext|>")),
                                special.before(false, Optional.of("<|endoftext|>")),
                                special.after(Optional.of("<|endoftext|>")));
        return new TokenizerSource(file, json);
    }

    private static Map<String, Integer> vocabulary(Path file) {
        Map<String, Integer> ids = new LinkedHashMap<>();
        StrictJson.object(file)
                .properties()
                .forEach(entry -> {
                    JsonNode id = entry.getValue();
                    if (!id.isInt() || id.intValue() < 0 || id.intValue() > TokenizerFile.MAX_ID) {
                        throw new EngineException(
                                Reason.SOURCE_UNREADABLE,
                                file + ": the id of '" + entry.getKey() + "' is " + id);
                    }
                    ids.put(entry.getKey(), id.intValue());
                });
        return ids;
    }

    private static List<String> merges(Path file) {
        List<String> merges = new ArrayList<>();
        for (String line :
                StrictJson.text(StrictJson.bytes(file), file.toString()).split("\r?\n")) {
            if (!line.isBlank() && !line.startsWith("#version")) {
                merges.add(line);
            }
        }
        return merges;
    }

    /// These files do not say how a text is cut into words; the class of the tokenizer does, or
    /// else the model's family.
    private static Words words(Path folder) {
        Path config = folder.resolve(SpecialTokens.TOKENIZER_CONFIG);
        Optional<String> named =
                SpecialTokens.configuration(config)
                        .map(c -> c.path("tokenizer_class").asText(""))
                        .filter(name -> !name.isEmpty());
        if (named.isPresent()) {
            return switch (named.get().replaceFirst("Fast$", "")) {
                case "GPT2Tokenizer", "GPTNeoXTokenizer" -> Words.GPT2;
                case "Qwen2Tokenizer" -> Words.QWEN2;
                default -> throw unknownWords(config, "tokenizer_class", named.get());
            };
        }
        Path modelConfig = folder.resolve("config.json");
        String family =
                SpecialTokens.configuration(modelConfig)
                        .map(c -> c.path("model_type").asText(""))
                        .orElse("");
        return switch (family) {
            case "", "gpt2" -> Words.GPT2;
            case "qwen2", "qwen2_moe", "qwen3", "qwen3_moe" -> Words.QWEN2;
            default -> throw unknownWords(modelConfig, "model_type", family);
        };
    }

    private static EngineException unknownWords(Path file, String field, String value) {
        return new EngineException(
                Reason.UNSUPPORTED,
                "%s: %s is '%s': how its vocab.json cuts words is not known; give the folder a tokenizer.json"
                        .formatted(file, field, value));
    }
}
