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
        /// What llama.cpp does for vocabularies that it does not know by name.
        DEFAULT_OF_LLAMA_CPP(
                false,
                "[\\p{P}\\$\\+<=>\\^~\\|]+",
                "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)",
                "\\p{N}+",
                "[0-9][0-9][0-9]"),
        /// Letters of scripts with case, punctuation, ideographs and digits, each by itself.
        DEEPSEEK_LLM(
                false,
                "[\\r\\n]",
                "\\s?[A-Za-z\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-"
                        + "\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-"
                        + "\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-"
                        + "\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5\u13f8-"
                        + "\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-"
                        + "\u1d9a\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-"
                        + "\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-"
                        + "\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-"
                        + "\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-"
                        + "\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-"
                        + "\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e\u2183\u2184\u2c00-"
                        + "\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-"
                        + "\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-"
                        + "\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\ud801\udc00-"
                        + "\ud801\udc4f\ud801\udcb0-\ud801\udcd3\ud801\udcd8-"
                        + "\ud801\udcfb\ud803\udc80-\ud803\udcb2\ud803\udcc0-"
                        + "\ud803\udcf2\ud806\udca0-\ud806\udcdf\ud83a\udd00-\ud83a\udd43]+",
                "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+",
                "\\s+$",
                "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+",
                "\\p{N}"),
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
