package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.gguf.GgufWriter;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.TokenizerSource;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/// Tokenizer and chat template of a model's folder as keys of a GGUF file: the way back of
/// [GgufTokenizer].
///
/// - byte-level BPE becomes `gpt2`, with the name that llama.cpp has for how words are cut;
/// - BPE over characters with bytes to fall back on becomes `llama` (SentencePiece). Its scores are
///   the ranks of the merges that make a piece, negated: they order merges as the ranks do.
final class GgufVocabulary {

    private static final String PREFIX = "tokenizer.ggml.";

    /// `token_type` of llama.cpp.
    private static final int NORMAL = 1;

    private static final int UNKNOWN = 2;
    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNUSED = 5;
    private static final int BYTE = 6;

    /// Lower than the rank of any merge.
    private static final float NEVER_MERGED = -1e7f;

    private final Path folder;
    private final JsonNode json;
    private final ModelTokenizer tokenizer;
    private final GgufWriter out;
    private final String[] tokens;
    private final int[] types;

    /// What the tokenizer puts before a text; -1: nothing.
    private int begin = -1;

    private GgufVocabulary(
            Path folder, JsonNode json, ModelTokenizer tokenizer, GgufWriter out, int vocabulary) {
        this.folder = folder;
        this.json = json;
        this.tokenizer = tokenizer;
        this.out = out;
        this.tokens = new String[vocabulary];
        this.types = new int[vocabulary];
    }

    /// @param folder of the model; without a tokenizer the file says that it has none
    /// @param vocabulary rows of the embedding: llama.cpp wants a token for each
    /// @throws EngineException `UNSUPPORTED` naming what GGUF has no words for
    static void write(Path folder, GgufWriter out, int vocabulary) {
        if (!TokenizerSource.isIn(folder)) {
            out.text(PREFIX + "model", "no_vocab");
            return;
        }
        TokenizerSource source = TokenizerSource.read(folder);
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder)) {
            JsonNode json = StrictJson.MAPPER.readTree(source.json());
            new GgufVocabulary(folder, json, tokenizer, out, vocabulary).write();
        } catch (JsonProcessingException e) {
            throw StrictJson.unreadable(source.file().toString(), e);
        }
    }

    private void write() {
        JsonNode model = json.path("model");
        if (!model.path("type").asText("BPE").equals("BPE") || !model.path("vocab").isObject()) {
            throw unsupported(
                    "model.type", "'" + model.path("type").asText() + "': GGUF has BPE only here");
        }
        boolean pieces = model.path("byte_fallback").asBoolean(false);
        readTokens(model, pieces);
        out.text(PREFIX + "model", pieces ? "llama" : "gpt2");
        out.text(
                PREFIX + "pre",
                pieces
                        ? "default"
                        : GgufTokenizer.nameOfCut(json)
                                .orElseThrow(() ->
                                        unsupported(
                                                "pre_tokenizer",
                                                "llama.cpp has no name for this way to cut words")));
        out.texts(PREFIX + "tokens", List.of(tokens));
        out.integers(PREFIX + "token_type", types);
        if (pieces) {
            out.floats(PREFIX + "scores", scores(model));
        } else {
            out.texts(
                    PREFIX + "merges", merges(model).stream().map(m -> m[0] + " " + m[1]).toList());
        }
        around();
        specials();
        templates();
    }

    private void readTokens(JsonNode model, boolean pieces) {
        model.path("vocab")
                .properties()
                .forEach(each -> put(each.getKey(), each.getValue().asInt(), NORMAL));
        if (pieces) {
            for (int value = 0; value < 256; value++) {
                JsonNode id = model.path("vocab").path("<0x%02X>".formatted(value));
                if (id.isInt()) {
                    types[id.intValue()] = BYTE;
                }
            }
        }
        for (JsonNode each : json.path("added_tokens")) {
            boolean special = each.path("special").asBoolean(false);
            put(
                    each.path("content").asText(),
                    each.path("id").asInt(-1),
                    special ? CONTROL : USER_DEFINED);
        }
        String unknown = model.path("unk_token").asText("");
        if (pieces && model.path("vocab").has(unknown)) {
            types[model.path("vocab").path(unknown).asInt()] = UNKNOWN;
        }
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id] == null) {
                tokens[id] = "[PAD" + id + "]";
                types[id] = UNUSED;
            }
        }
    }

    private void put(String token, int id, int type) {
        if (id < 0 || id >= tokens.length) {
            throw unsupported(
                    "vocab",
                    "token '%s' has the id %d, but the embedding has %d rows"
                            .formatted(token, id, tokens.length));
        }
        tokens[id] = token;
        types[id] = type;
    }

    private List<String[]> merges(JsonNode model) {
        List<String[]> merges = new ArrayList<>();
        for (JsonNode merge : model.path("merges")) {
            String[] parts =
                    merge.isTextual()
                            ? merge.textValue().split(" ", -1)
                            : new String[] {merge.path(0).asText(), merge.path(1).asText()};
            if (parts.length != 2) {
                throw unsupported("merges", "'" + merge + "' is not two tokens");
            }
            merges.add(parts);
        }
        return merges;
    }

    private float[] scores(JsonNode model) {
        Map<String, Integer> ranks = new HashMap<>();
        int rank = 0;
        for (String[] merge : merges(model)) {
            ranks.putIfAbsent(merge[0] + merge[1], rank++);
        }
        float[] scores = new float[tokens.length];
        for (int id = 0; id < tokens.length; id++) {
            Integer found = ranks.get(tokens[id]);
            boolean text = types[id] == NORMAL;
            scores[id] = !text ? 0 : found == null ? NEVER_MERGED : -found.floatValue();
        }
        return scores;
    }

    /// What the tokenizer itself puts around a text.
    private void around() {
        int[] bare = tokenizer.encode("a", false);
        int[] whole = tokenizer.encode("a", true);
        int before = indexOf(whole, bare);
        int after = whole.length - bare.length - before;
        if (before < 0 || before > 1 || after > 1) {
            throw unsupported(
                    "post_processor",
                    "more than one token before or after a text, or others within");
        }
        out.flag(PREFIX + "add_bos_token", before == 1);
        out.flag(PREFIX + "add_eos_token", after == 1);
        String first = bare.length == 0 ? "" : tokenizer.token(bare[0]).orElse("");
        out.flag(
                PREFIX + "add_space_prefix",
                first.startsWith("\u2581") || first.startsWith("\u0120"));
        begin = before == 1 ? whole[0] : -1;
    }

    private static int indexOf(int[] whole, int[] part) {
        for (int at = 0; at + part.length <= whole.length; at++) {
            if (Arrays.equals(whole, at, at + part.length, part, 0, part.length)) {
                return at;
            }
        }
        return -1;
    }

    private void specials() {
        JsonNode config = config("tokenizer_config.json");
        int bos = special(config, "bos_token").orElse(begin);
        if (bos >= 0) {
            out.whole(PREFIX + "bos_token_id", bos);
        }
        TreeSet<Integer> ends = new TreeSet<>(tokenizer.endOfSequence());
        Optional<Integer> end = special(config, "eos_token");
        List<Integer> others = new ArrayList<>(ends);
        end.ifPresent(others::remove);
        int first = end.orElseGet(() -> others.isEmpty() ? -1 : others.removeFirst());
        if (first >= 0) {
            out.whole(PREFIX + "eos_token_id", first);
        }
        List<String> names = List.of("eot_token_id", "eom_token_id");
        for (int i = 0; i < Math.min(names.size(), others.size()); i++) {
            out.whole(PREFIX + names.get(i), others.get(i));
        }
        special(config, "pad_token").ifPresent(id -> out.whole(PREFIX + "padding_token_id", id));
        special(config, "unk_token").ifPresent(id -> out.whole(PREFIX + "unknown_token_id", id));
    }

    private Optional<Integer> special(JsonNode config, String name) {
        JsonNode value = config.path(name);
        String text = value.isObject() ? value.path("content").asText("") : value.asText("");
        int id = List.of(tokens).indexOf(text);
        return text.isEmpty() || id < 0 ? Optional.empty() : Optional.of(id);
    }

    private JsonNode config(String name) {
        Path file = folder.resolve(name);
        return Files.exists(file) ? StrictJson.object(file) : StrictJson.MAPPER.createObjectNode();
    }

    private void templates() {
        Path jinja = folder.resolve("chat_template.jinja");
        if (Files.exists(jinja)) {
            out.text(
                    "tokenizer.chat_template",
                    StrictJson.text(StrictJson.bytes(jinja), jinja.toString()));
            return;
        }
        for (String file : List.of("chat_template.json", "tokenizer_config.json")) {
            JsonNode template = config(file).path("chat_template");
            if (template.isTextual()) {
                out.text("tokenizer.chat_template", template.textValue());
                return;
            }
            if (template.isArray() && !template.isEmpty()) {
                named(template);
                return;
            }
        }
    }

    private void named(JsonNode templates) {
        for (JsonNode each : templates) {
            String name = each.path("name").asText();
            String key = "tokenizer.chat_template" + (name.equals("default") ? "" : "." + name);
            out.text(key, each.path("template").asText());
        }
    }

    private EngineException unsupported(String field, String why) {
        return new EngineException(
                Reason.UNSUPPORTED, folder.resolve("tokenizer.json") + ": " + field + ": " + why);
    }
}
