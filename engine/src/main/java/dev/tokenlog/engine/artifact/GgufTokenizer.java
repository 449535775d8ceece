package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.gguf.GgufMetadata;
import dev.tokenlog.engine.tokenizer.AddedToken;
import dev.tokenlog.engine.tokenizer.ByteLevelVocabulary;
import dev.tokenlog.engine.tokenizer.ByteLevelVocabulary.Words;
import dev.tokenlog.engine.tokenizer.SentencePieceVocabulary;
import dev.tokenlog.engine.tokenizer.SentencePieceVocabulary.Kind;
import dev.tokenlog.engine.tokenizer.SentencePieceVocabulary.Piece;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;

/// Tokenizer and chat templates of a GGUF file in the form of a hub repository: `tokenizer.json`,
/// `tokenizer_config.json` and, for the tokens that end a sequence, `generation_config.json`.
///
/// `tokenizer.ggml.model` says which kind it is: `llama` is SentencePiece BPE, `gpt2` byte-level
/// BPE whose way to cut words `tokenizer.ggml.pre` names. The expressions are not in the file.
final class GgufTokenizer {

    private static final String PREFIX = "tokenizer.ggml.";
    private static final String TEMPLATE = "tokenizer.chat_template";
    private static final int MAX_TOKENS = 1 << 22;
    private static final int MAX_TEMPLATES = 64;

    /// How a value of `tokenizer.ggml.pre` cuts words.
    ///
    /// @param ignoreMerges whether a word that is a token is not merged from its parts
    /// @param begins whether a text begins with the token for that, where no key says it
    private record Cut(Words words, boolean ignoreMerges, boolean begins) {}

    /// The names and their meaning are those of llama.cpp (`src/llama-vocab.cpp`); the expressions
    /// are those of the models' own `tokenizer.json`.
    private static final Map<String, Cut> CUTS =
            Map.ofEntries(
                    Map.entry("default", new Cut(Words.DEFAULT_OF_LLAMA_CPP, false, false)),
                    Map.entry("gpt-2", new Cut(Words.GPT2, false, false)),
                    Map.entry("phi-2", new Cut(Words.GPT2, false, false)),
                    Map.entry("smollm", new Cut(Words.SINGLE_DIGITS, false, false)),
                    Map.entry("starcoder", new Cut(Words.SINGLE_DIGITS, false, false)),
                    Map.entry("refact", new Cut(Words.SINGLE_DIGITS, false, false)),
                    Map.entry("llama3", new Cut(Words.LLAMA3, true, true)),
                    Map.entry("llama-v3", new Cut(Words.LLAMA3, true, true)),
                    Map.entry("llama-bpe", new Cut(Words.LLAMA3, true, true)),
                    Map.entry("dbrx", new Cut(Words.LLAMA3, false, false)),
                    Map.entry("smaug-bpe", new Cut(Words.LLAMA3, false, false)),
                    Map.entry("qwen2", new Cut(Words.QWEN2, false, false)),
                    Map.entry("deepseek-r1-qwen", new Cut(Words.QWEN2, false, false)),
                    Map.entry("tekken", new Cut(Words.TEKKEN, true, true)),
                    Map.entry("gpt-4o", new Cut(Words.GPT4O, false, false)),
                    Map.entry("deepseek-llm", new Cut(Words.DEEPSEEK_LLM, false, false)),
                    Map.entry("deepseek-coder", new Cut(Words.DEEPSEEK_CODER, false, false)));

    /// Texts of tokens that end a turn, whatever the keys say: files of Phi-3 and others name only
    /// the end of a document. llama.cpp finds them in the same way.
    private static final Set<String> ENDS_OF_TURNS =
            Set.of("<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>");

    /// The names that an export uses, where several mean the same.
    private static final List<String> PREFERRED =
            List.of(
                    "gpt-2",
                    "smollm",
                    "llama-bpe",
                    "dbrx",
                    "qwen2",
                    "tekken",
                    "gpt-4o",
                    "deepseek-llm",
                    "deepseek-coder",
                    "default");

    private final String source;
    private final GgufMetadata metadata;
    private final List<String> tokens;
    private final Kind[] kinds;

    private GgufTokenizer(String source, GgufMetadata metadata, List<String> tokens) {
        this.source = source;
        this.metadata = metadata;
        this.tokens = tokens;
        this.kinds = kinds();
    }

    /// The files by name; none where the file has no tokenizer.
    ///
    /// @param source names the file in errors
    /// @throws dev.tokenlog.engine.EngineException `SOURCE_UNREADABLE` or `UNSUPPORTED`, naming
    ///   key, token or merge
    static Map<String, String> files(String source, GgufMetadata metadata) {
        Optional<List<String>> tokens = metadata.texts(PREFIX + "tokens", MAX_TOKENS);
        String model = metadata.text(PREFIX + "model").orElse("none");
        Map<String, String> files = new TreeMap<>();
        if (tokens.isPresent()) {
            GgufTokenizer tokenizer = new GgufTokenizer(source, metadata, tokens.get());
            files.put("tokenizer.json", tokenizer.tokenizerJson(model));
            files.put("tokenizer_config.json", text(tokenizer.configuration()));
            files.put("generation_config.json", text(tokenizer.generation()));
            tokenizer.refuseUnreadKeys();
        } else if (!model.equals("none") && !model.equals("no_vocab")) {
            throw metadata.unreadable(PREFIX + "tokens", "is missing");
        }
        return files;
    }

    /// The way back: the name for how a `tokenizer.json` of byte-level BPE cuts words; empty where
    /// llama.cpp has none.
    static Optional<String> nameOfCut(JsonNode tokenizer) {
        boolean ignoresMerges = tokenizer.path("model").path("ignore_merges").asBoolean(false);
        List<String> wanted = steps(tokenizer);
        return PREFERRED.stream()
                .filter(name -> CUTS.get(name).ignoreMerges() == ignoresMerges)
                .filter(name -> steps(sample(CUTS.get(name).words())).equals(wanted))
                .findFirst();
    }

    private static JsonNode sample(Words words) {
        String json =
                new ByteLevelVocabulary("", List.of("a"), List.of(), words, false, false)
                        .tokenizerJson(List.of(), Optional.empty(), Optional.empty());
        try {
            return StrictJson.MAPPER.readTree(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("our own JSON cannot be read", e);
        }
    }

    /// What changes where words begin, in order: normal form, expressions, digits, the way of
    /// GPT-2.
    private static List<String> steps(JsonNode tokenizer) {
        List<String> steps = new ArrayList<>();
        addSteps(tokenizer.path("normalizer"), "normalizers", steps);
        addSteps(tokenizer.path("pre_tokenizer"), "pretokenizers", steps);
        return steps;
    }

    private static void addSteps(JsonNode step, String parts, List<String> steps) {
        String type = step.path("type").asText("");
        switch (type) {
            case "" -> {}
            case "Sequence" -> step.path(parts).forEach(part -> addSteps(part, parts, steps));
            case "ByteLevel" -> {
                if (step.path("use_regex").asBoolean(true)) {
                    steps.add("ByteLevel");
                }
            }
            case "Digits" -> steps.add("Digits " + step.path("individual_digits").asBoolean());
            case "Split" ->
                    steps.add(
                            "Split "
                                    + step.path("pattern").path("Regex").asText()
                                    + step.path("behavior").asText()
                                    + step.path("invert").asBoolean());
            default -> steps.add(type);
        }
    }

    private static String text(ObjectNode node) {
        return node.toPrettyString() + "\n";
    }

    private Kind[] kinds() {
        Kind[] all = new Kind[tokens.size()];
        String key = PREFIX + "token_type";
        int[] codes = metadata.integers(key, MAX_TOKENS).orElse(null);
        if (codes == null) {
            Arrays.fill(all, Kind.NORMAL);
            return all;
        }
        if (codes.length != all.length) {
            throw metadata.unreadable(
                    key, codes.length + " elements beside " + all.length + " tokens");
        }
        for (int id = 0; id < all.length; id++) {
            try {
                all[id] = Kind.ofCode(codes[id]);
            } catch (IllegalArgumentException e) {
                throw metadata.unreadable(key, "element " + id + ": " + e.getMessage());
            }
        }
        return all;
    }

    private String tokenizerJson(String model) {
        return switch (model) {
            case "llama" -> sentencePiece();
            case "gpt2" -> byteLevel();
            default ->
                    throw metadata.unsupported(
                            PREFIX + "model", "'" + model + "': expected gpt2 or llama");
        };
    }

    private String sentencePiece() {
        String key = PREFIX + "scores";
        float[] scores =
                metadata.floats(key, MAX_TOKENS)
                        .orElseThrow(() -> metadata.unreadable(key, "is missing"));
        if (scores.length != tokens.size()) {
            throw metadata.unreadable(
                    key, scores.length + " elements beside " + tokens.size() + " tokens");
        }
        // Converters have marked <unk> as control and padding as unknown: the id is what counts.
        int unknown = id("unknown").orElse(0);
        List<Piece> pieces = new ArrayList<>();
        for (int id = 0; id < scores.length; id++) {
            Kind other = kinds[id] == Kind.UNKNOWN ? Kind.UNUSED : kinds[id];
            Kind kind = id == unknown ? Kind.UNKNOWN : other;
            pieces.add(new Piece(tokens.get(id), scores[id], kind));
        }
        metadata.text(PREFIX + "pre"); // means nothing here
        metadata.any(PREFIX + "merges"); // written by some converters beside the scores
        SentencePieceVocabulary vocabulary =
                new SentencePieceVocabulary(
                        source,
                        SentencePieceVocabulary.Algorithm.BPE,
                        pieces,
                        flag("add_space_prefix", true),
                        flag("remove_extra_whitespaces", false),
                        new byte[0]);
        return vocabulary.tokenizerJson(List.of(), before(true), after());
    }

    private String byteLevel() {
        String key = PREFIX + "pre";
        String name =
                metadata.text(key)
                        .orElseThrow(() ->
                                metadata.unsupported(
                                        key,
                                        "is missing, as in files from before May 2024: how words"
                                                + " are cut is not known; convert the model anew"));
        Cut cut = CUTS.get(name);
        if (cut == null) {
            throw metadata.unsupported(
                    key,
                    "'%s': how it cuts words is not known here; expected one of %s"
                            .formatted(name, CUTS.keySet().stream().sorted().toList()));
        }
        List<String> vocabulary = new ArrayList<>();
        List<AddedToken> added = new ArrayList<>();
        for (int id = 0; id < kinds.length; id++) {
            boolean ordinary = kinds[id] == Kind.NORMAL || kinds[id] == Kind.BYTE;
            vocabulary.add(ordinary ? tokens.get(id) : null);
            if (!ordinary && kinds[id] != Kind.UNUSED) {
                added.add(AddedToken.plain(id, tokens.get(id), kinds[id] != Kind.USER_DEFINED));
            }
        }
        List<String> merges =
                metadata.texts(PREFIX + "merges", MAX_TOKENS)
                        .orElseThrow(() -> metadata.unreadable(PREFIX + "merges", "is missing"));
        metadata.any(PREFIX + "scores"); // mean nothing here
        return new ByteLevelVocabulary(
                        source,
                        Collections.unmodifiableList(vocabulary),
                        merges,
                        cut.words(),
                        flag("add_space_prefix", false),
                        cut.ignoreMerges())
                .tokenizerJson(added, before(cut.begins()), after());
    }

    private boolean flag(String name, boolean missing) {
        return metadata.flag(PREFIX + name).orElse(missing);
    }

    private Optional<String> before(boolean usual) {
        return flag("add_bos_token", usual) ? special("bos") : Optional.empty();
    }

    private Optional<String> after() {
        return flag("add_eos_token", false) ? special("eos") : Optional.empty();
    }

    private Optional<Integer> id(String kind) {
        return metadata.integer(PREFIX + kind + "_token_id", 0, tokens.size() - 1);
    }

    private Optional<String> special(String kind) {
        return id(kind).map(tokens::get);
    }

    private ObjectNode configuration() {
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        node.put("tokenizer_class", "PreTrainedTokenizerFast");
        node.put("clean_up_tokenization_spaces", false);
        special("bos").ifPresent(token -> node.put("bos_token", token));
        special("eos").ifPresent(token -> node.put("eos_token", token));
        special("padding").ifPresent(token -> node.put("pad_token", token));
        special("unknown").ifPresent(token -> node.put("unk_token", token));
        templates(node);
        return node;
    }

    private void templates(ObjectNode node) {
        Map<String, String> named = new TreeMap<>();
        for (String key : metadata.values().keySet()) {
            if (key.startsWith(TEMPLATE + ".")) {
                String name = key.substring(TEMPLATE.length() + 1);
                metadata.text(key).ifPresent(template -> named.put(name, template));
            }
        }
        metadata.texts("tokenizer.chat_templates", MAX_TEMPLATES); // the names only
        Optional<String> usual = metadata.text(TEMPLATE);
        if (named.isEmpty()) {
            usual.ifPresent(template -> node.put("chat_template", template));
            return;
        }
        usual.ifPresent(template -> named.putIfAbsent("default", template));
        ArrayNode list = node.putArray("chat_template");
        named.forEach(
                (name, template) -> list.addObject().put("name", name).put("template", template));
    }

    private List<Integer> endsOfTurns() {
        List<Integer> ends = new ArrayList<>();
        for (int id = 0; id < kinds.length; id++) {
            boolean added = kinds[id] == Kind.CONTROL || kinds[id] == Kind.USER_DEFINED;
            if (added && ENDS_OF_TURNS.contains(tokens.get(id))) {
                ends.add(id);
            }
        }
        return ends;
    }

    /// Every token that ends a sequence, a turn or a message.
    private ObjectNode generation() {
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        id("bos").ifPresent(id -> node.put("bos_token_id", id));
        List<Integer> ends =
                Stream.concat(
                                Stream.of("eos", "eot", "eom").flatMap(kind -> id(kind).stream()),
                                endsOfTurns().stream())
                        .distinct()
                        .toList();
        if (!ends.isEmpty()) {
            ArrayNode list = node.putArray("eos_token_id");
            ends.forEach(list::add);
        }
        id("padding").ifPresent(id -> node.put("pad_token_id", id));
        return node;
    }

    /// Ids of tokens for other purposes (infilling, masks) are notes.
    private void refuseUnreadKeys() {
        for (String key : metadata.unread()) {
            boolean note = key.endsWith("_token_id") || key.endsWith("_token_ids");
            if (key.startsWith(PREFIX) && !note) {
                if (!metadata.isOff(key)) {
                    throw metadata.unsupported(
                            key,
                            GgufMetadata.shown(metadata.values().get(key))
                                    + " asks for what the engine does not do");
                }
            }
        }
    }
}
