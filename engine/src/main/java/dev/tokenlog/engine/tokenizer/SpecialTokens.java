package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.StrictJson;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/// What the configuration files of a model folder say about special tokens.
final class SpecialTokens {

    static final String TOKENIZER_CONFIG = "tokenizer_config.json";
    private static final String[] BY_NAME = {"special_tokens_map.json", TOKENIZER_CONFIG};

    private final Path folder;
    private final Optional<JsonNode> config;

    private SpecialTokens(Path folder, Optional<JsonNode> config) {
        this.folder = folder;
        this.config = config;
    }

    static SpecialTokens of(Path folder) {
        return new SpecialTokens(folder, configuration(folder.resolve(TOKENIZER_CONFIG)));
    }

    /// `bos_token`, `eos_token` and the like by name, from `special_tokens_map.json` and
    /// `tokenizer_config.json`.
    static Map<String, String> byName(Path folder) {
        Map<String, String> tokens = new LinkedHashMap<>();
        nodes(folder)
                .forEach((name, node) -> {
                    String text = text(node);
                    if (name.endsWith("_token") && text != null) {
                        tokens.put(name, text);
                    }
                });
        return tokens;
    }

    private static Map<String, JsonNode> nodes(Path folder) {
        Map<String, JsonNode> nodes = new LinkedHashMap<>();
        for (String file : BY_NAME) {
            configuration(folder.resolve(file))
                    .ifPresent(
                            c -> c.properties().forEach(e -> nodes.put(e.getKey(), e.getValue())));
        }
        return nodes;
    }

    /// The object in a configuration file, if the file is there.
    static Optional<JsonNode> configuration(Path file) {
        return InputFiles.isThere(file) ? Optional.of(StrictJson.object(file)) : Optional.empty();
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
        String named = byName(folder).get("eos_token");
        Integer tokenizers = ids.get(named);
        if (tokenizers != null) {
            ends.add(tokenizers);
        } else if (named != null && ends.isEmpty()) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: eos_token '%s' is not in the vocabulary: no answer would end"
                            .formatted(folder.resolve(TOKENIZER_CONFIG), named));
        }
        return ends;
    }

    private static void addIds(Path file, JsonNode value, TreeSet<Integer> ends) {
        if (value.isMissingNode() || value.isNull()) {
            return;
        }
        for (JsonNode id : value.isArray() ? value : List.of(value)) {
            if (!id.canConvertToInt() || !id.isIntegralNumber() || id.intValue() < 0) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        file + ": eos_token_id is " + id + ", expected a token id");
            }
            ends.add(id.intValue());
        }
    }

    /// Whether `tokenizer_config.json` says true.
    boolean isSet(String field) {
        return flag(field, false);
    }

    private boolean flag(String field, boolean fallback) {
        JsonNode value = config.map(c -> c.path(field)).orElse(null);
        if (value == null || value.isMissingNode() || value.isNull()) {
            return fallback;
        }
        if (!value.isBoolean()) {
            throw unreadable(TOKENIZER_CONFIG, field + " is " + value + ", expected true or false");
        }
        return value.booleanValue();
    }

    /// The token that the tokenizer sets before every text.
    ///
    /// @param usual whether it does where no file says
    /// @param known the vocabulary's own, where no file names one
    Optional<String> before(boolean usual, Optional<String> known) {
        return flag("add_bos_token", usual) ? named("bos_token", known) : Optional.empty();
    }

    /// The token that the tokenizer sets after every text.
    Optional<String> after(Optional<String> known) {
        return flag("add_eos_token", false) ? named("eos_token", known) : Optional.empty();
    }

    private Optional<String> named(String name, Optional<String> known) {
        return Optional.ofNullable(byName(folder).get(name)).or(() -> known);
    }

    /// The added tokens of a vocabulary without a `tokenizer.json`, by id: those of
    /// `added_tokens.json` and of `added_tokens_decoder` in `tokenizer_config.json`, and those of
    /// the vocabulary that the files name as `bos_token`, `additional_special_tokens` and the like.
    ///
    /// @param ids of the vocabulary
    /// @param usual special tokens that the vocabulary has although no file names them
    List<AddedToken> declared(Map<String, Integer> ids, List<String> usual) {
        Map<Integer, AddedToken> declared = listed();
        Map<String, Integer> known = new LinkedHashMap<>(ids);
        declared.values().forEach(token -> known.put(token.content(), token.id()));
        for (String token : usual) {
            if (ids.containsKey(token)) {
                declared.putIfAbsent(ids.get(token), AddedToken.plain(ids.get(token), token, true));
            }
        }
        for (JsonNode node : special()) {
            String text = text(node);
            Integer id = known.get(text);
            if (id != null && !text.isEmpty()) {
                AddedToken before = declared.get(id);
                if (before == null || node.isObject()) {
                    declared.put(id, token(id, node, true));
                } else if (!before.special()) {
                    declared.put(id, before.asSpecial());
                }
            }
        }
        return List.copyOf(declared.values());
    }

    /// What `added_tokens.json` and `added_tokens_decoder` list, by id.
    private Map<Integer, AddedToken> listed() {
        Map<Integer, AddedToken> declared = new TreeMap<>();
        configuration(folder.resolve("added_tokens.json"))
                .ifPresent(file ->
                        file.properties()
                                .forEach(e -> {
                                    int id = id("added_tokens.json", e.getValue().asText());
                                    if (e.getKey().isEmpty()) {
                                        throw unreadable(
                                                "added_tokens.json",
                                                "the added token " + id + " has no content");
                                    }
                                    AddedToken token = AddedToken.plain(id, e.getKey(), false);
                                    declared.put(id, token.withNormalized(true));
                                }));
        config.map(c -> c.get("added_tokens_decoder"))
                .filter(decoder -> !decoder.isNull())
                .ifPresent(decoder -> {
                    if (!decoder.isObject()) {
                        throw unreadable(
                                TOKENIZER_CONFIG, "added_tokens_decoder: expected an object");
                    }
                    for (Map.Entry<String, JsonNode> entry : decoder.properties()) {
                        int id = id(TOKENIZER_CONFIG, entry.getKey());
                        declared.put(id, token(id, entry.getValue(), false));
                    }
                });
        return declared;
    }

    /// Tokens that these files list and the tokenizer's own does not have.
    ///
    /// @throws EngineException `SOURCE_UNREADABLE` where they give the id of another token
    List<AddedToken> missing(TokenizerFile tokenizer) {
        List<AddedToken> missing = new ArrayList<>();
        for (AddedToken token : listed().values()) {
            Integer known = tokenizer.ids().get(token.content());
            if (known == null) {
                missing.add(token);
            } else if (known != token.id()) {
                throw unreadable(
                        "added_tokens.json or " + TOKENIZER_CONFIG,
                        "'%s' has the id %d, in the tokenizer it has %d"
                                .formatted(token.content(), token.id(), known));
            }
        }
        return missing;
    }

    /// All that the files name as special, a token a node.
    private List<JsonNode> special() {
        List<JsonNode> special = new ArrayList<>();
        nodes(folder)
                .forEach((name, node) -> {
                    if (name.endsWith("_token") && text(node) != null) {
                        special.add(node);
                    } else if (name.equals("additional_special_tokens")
                            || name.equals("extra_special_tokens")) {
                        node.forEach(special::add);
                    }
                });
        return special;
    }

    private AddedToken token(int id, JsonNode node, boolean special) {
        String content = text(node);
        if (content == null || content.isEmpty()) {
            throw unreadable(TOKENIZER_CONFIG, "the added token " + id + " has no content");
        }
        boolean isSpecial = special || node.path("special").asBoolean(false);
        return new AddedToken(
                id,
                content,
                isSpecial,
                node.path("normalized").asBoolean(!isSpecial),
                node.path("single_word").asBoolean(false),
                node.path("lstrip").asBoolean(false),
                node.path("rstrip").asBoolean(false));
    }

    private int id(String file, String text) {
        try {
            int id = Integer.parseInt(text);
            if (id >= 0 && id <= TokenizerFile.MAX_ID) {
                return id;
            }
        } catch (NumberFormatException e) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    folder.resolve(file) + ": '" + text + "' is no token id",
                    e);
        }
        throw unreadable(file, "the token id " + text + " is out of range");
    }

    private EngineException unreadable(String file, String message) {
        return new EngineException(Reason.SOURCE_UNREADABLE, folder.resolve(file) + ": " + message);
    }
}
