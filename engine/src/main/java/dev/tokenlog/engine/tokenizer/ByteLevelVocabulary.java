package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// A vocabulary of byte-level BPE as GPT-2 introduced it, `vocab.json` and `merges.txt`, and its
/// translation to `tokenizer.json`.
///
/// @param source names the vocabulary in errors, for instance by its file
/// @param tokens by id, in GPT-2's alphabet; null where an id has none
/// @param merges the two parts of each, apart by a space, the first one first
/// @param addPrefixSpace whether a text that does not begin with a space gets one
/// @param ignoreMerges whether a word that is a token is not merged from its parts
public record ByteLevelVocabulary(
        String source,
        List<String> tokens,
        List<String> merges,
        Words words,
        boolean addPrefixSpace,
        boolean ignoreMerges) {

    /// How a text is cut into words, in which alone merges happen. The expressions are part of the
    /// vocabulary: they stand in the `tokenizer.json` files of the models that are named.
    public enum Words {
        GPT2(false),
        /// Single digits first, then as GPT-2: SmolLM, SmolLM2, StarCoder.
        SINGLE_DIGITS(false),
        LLAMA3(
                false,
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}|"
                        + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
        QWEN2(
                true,
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}|"
                        + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
        /// Mistral Nemo.
        TEKKEN(
                false,
                "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
                        + "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|"
                        + "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
                        + "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}|"
                        + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
        /// Phi-4 mini.
        GPT4O(
                false,
                "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
                        + "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
                        + "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
                        + "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}|"
                        + " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"),
        DEEPSEEK_CODER(
                false,
                "[\\r\\n]",
                "\\s?\\p{L}+",
                "\\s?\\p{P}+",
                "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
                "\\p{N}");

        private final boolean composed;
        private final String[] expressions;

        /// @param composed whether the text is brought to normal form C first
        Words(boolean composed, String... expressions) {
            this.composed = composed;
            this.expressions = expressions;
        }
    }

    /// @param declared added tokens, which need not be among `tokens`
    /// @param before token before every text, which is declared
    /// @param after token after every text
    /// @throws EngineException `SOURCE_UNREADABLE`, naming the source and the token or merge
    public String tokenizerJson(
            List<AddedToken> declared, Optional<String> before, Optional<String> after) {
        Map<String, Integer> ids = ids();
        Map<Integer, AddedToken> added = new TreeMap<>();
        for (AddedToken token : declared) {
            Integer id = ids.putIfAbsent(token.content(), token.id());
            require(
                    id == null || id == token.id(),
                    "added token '%s' has the id %d, and %d in the vocabulary"
                            .formatted(token.content(), token.id(), id));
            boolean free =
                    id != null || token.id() >= tokens.size() || tokens.get(token.id()) == null;
            require(
                    free && added.put(token.id(), token) == null,
                    "added token '%s' has the id %d of another token"
                            .formatted(token.content(), token.id()));
        }
        Map<String, JsonNode> sections = new HashMap<>();
        if (words.composed) {
            sections.put("normalizer", TokenizerJson.node("NFC"));
        }
        sections.put("pre_tokenizer", preTokenizer());
        sections.put(
                "post_processor",
                TokenizerJson.postProcessor(find(added, before), find(added, after)));
        sections.put("decoder", byteLevel(true));
        sections.put("model", model(ids));
        return TokenizerJson.file(List.copyOf(added.values()), sections);
    }

    private Map<String, Integer> ids() {
        Map<String, Integer> ids = HashMap.newHashMap(tokens.size());
        for (int id = 0; id < tokens.size(); id++) {
            String token = tokens.get(id);
            if (token != null) {
                Integer other = ids.put(token, id);
                require(other == null, "tokens " + other + " and " + id + " are the same");
            }
        }
        require(!ids.isEmpty(), "the vocabulary is empty");
        return ids;
    }

    private Optional<AddedToken> find(Map<Integer, AddedToken> added, Optional<String> content) {
        return content.map(text ->
                added.values().stream()
                        .filter(token -> token.content().equals(text))
                        .findFirst()
                        .orElseThrow(() -> unreadable("there is no added token '" + text + "'")));
    }

    private JsonNode preTokenizer() {
        List<JsonNode> steps = new ArrayList<>();
        if (words == Words.SINGLE_DIGITS) {
            steps.add(TokenizerJson.node("Digits").put("individual_digits", true));
        }
        for (String expression : words.expressions) {
            ObjectNode split = TokenizerJson.node("Split");
            split.putObject("pattern").put("Regex", expression);
            steps.add(split.put("behavior", "Isolated").put("invert", false));
        }
        steps.add(byteLevel(words.expressions.length == 0));
        return TokenizerJson.sequence("pretokenizers", steps);
    }

    private ObjectNode byteLevel(boolean split) {
        return TokenizerJson.node("ByteLevel")
                .put("add_prefix_space", addPrefixSpace)
                .put("trim_offsets", true)
                .put("use_regex", split);
    }

    private ObjectNode model(Map<String, Integer> ids) {
        ObjectNode model = TokenizerJson.node("BPE");
        model.put("byte_fallback", false).put("ignore_merges", ignoreMerges);
        ObjectNode vocabulary = model.putObject("vocab");
        ids.forEach(vocabulary::put);
        ArrayNode list = model.putArray("merges");
        for (int i = 0; i < merges.size(); i++) {
            String[] parts = merges.get(i).split(" ", -1);
            require(
                    parts.length == 2,
                    "merge %d, '%s', is not two tokens apart by a space"
                            .formatted(i, merges.get(i)));
            for (String token : new String[] {parts[0], parts[1], parts[0] + parts[1]}) {
                require(
                        ids.containsKey(token),
                        "merge %d, '%s': '%s' is not in the vocabulary"
                                .formatted(i, merges.get(i), token));
            }
            list.addArray().add(parts[0]).add(parts[1]);
        }
        return model;
    }

    private void require(boolean holds, String message) {
        if (!holds) {
            throw unreadable(message);
        }
    }

    private EngineException unreadable(String message) {
        return new EngineException(Reason.SOURCE_UNREADABLE, source + ": " + message);
    }
}
