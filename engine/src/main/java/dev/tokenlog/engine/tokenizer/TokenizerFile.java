package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/// What we need to know of a `tokenizer.json` beside what the tokenizer library does with it: the
/// vocabulary, the added tokens, and the rules that turn tokens into text. Whatever would make the
/// library fail, or give other ids than the file says, is refused here.
///
/// @param tokens by id, null where an id has none
/// @param special ids of added tokens that are marked special
record TokenizerFile(
        String[] tokens, Map<String, Integer> ids, BitSet special, TokenText tokenText) {

    /// Reads one value in the middle of the file: more follows.
    private static final ObjectReader VALUE =
            StrictJson.MAPPER.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    static final int MAX_ID = (1 << 22) - 1;

    /// The largest that is known (Gemma) has 580,604.
    static final int MAX_MERGES = 800_000;

    /// The longest token in characters.
    static final int MAX_TOKEN = 4096;

    /// The tokens of a vocabulary together, in characters. Gemma's have 2 million.
    static final long MAX_VOCABULARY = 1L << 26;

    /// The pieces of a unigram model together, in UTF-8: the library makes a tree of them that
    /// takes 350 bytes of memory for each byte. Those of XLM-R, which are a quarter of a million,
    /// have 2.5 million.
    static final long MAX_UNIGRAM_BYTES = 1L << 22;

    /// The added tokens together, in characters: the library makes automata of them that take 65
    /// bytes for each. The 32,768 of a model that writes pictures have 0.8 million.
    static final long MAX_ADDED = 1L << 22;

    /// The added tokens: the library takes a time for them that is quadratic, 18 s for 80,000.
    static final int MAX_ADDED_TOKENS = 1 << 17;

    static TokenizerFile parse(Path file, String content) {
        Reader reader = new Reader(file);
        try (JsonParser parser = StrictJson.parser(content)) {
            reader.read(parser);
        } catch (JsonProcessingException e) {
            throw StrictJson.unreadable(file.toString(), e);
        } catch (IOException e) {
            throw new EngineException(Reason.SOURCE_UNREADABLE, file + ": " + e.getMessage(), e);
        }
        return reader.file();
    }

    private static final class Reader {
        private final Path file;
        private final Map<String, Integer> ids = new HashMap<>();
        private final BitSet special = new BitSet();
        private final Map<String, JsonNode> sections = new LinkedHashMap<>();
        private JsonNode addedTokens = MissingNode.getInstance();
        private String[] tokens = new String[1 << 12];
        private int size;
        private int pieces;
        private long vocabularyLength;
        private long unigramBytes;
        private long addedLength;

        /// Whether the vocabulary is a map from texts to ids, as BPE has it.
        private boolean byName;

        Reader(Path file) {
            this.file = file;
        }

        void read(JsonParser parser) throws IOException {
            require(parser.nextToken() == JsonToken.START_OBJECT, "expected a JSON object");
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String field = parser.currentName();
                parser.nextToken();
                switch (field) {
                    case "added_tokens" -> addedTokens = VALUE.readTree(parser);
                    case "normalizer", "pre_tokenizer", "post_processor", "decoder" ->
                            sections.put(field, VALUE.readTree(parser));
                    case "model" -> model(parser);
                    default -> parser.skipChildren();
                }
            }
        }

        private void model(JsonParser parser) throws IOException {
            require(parser.currentToken() == JsonToken.START_OBJECT, "model: expected an object");
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String field = parser.currentName();
                JsonToken value = parser.nextToken();
                switch (field) {
                    case "type" -> {
                        boolean known =
                                value == JsonToken.VALUE_STRING
                                        && (parser.getText().equals("BPE")
                                                || parser.getText().equals("Unigram"));
                        requireSupported(known, "model.type", parser);
                    }
                    case "dropout" ->
                            // It would give other ids each time.
                            requireSupported(
                                    value == JsonToken.VALUE_NULL
                                            || (value.isNumeric() && parser.getDoubleValue() == 0),
                                    "model.dropout",
                                    parser);
                    case "continuing_subword_prefix", "end_of_word_suffix" ->
                            requireSupported(
                                    value == JsonToken.VALUE_NULL
                                            || (value == JsonToken.VALUE_STRING
                                                    && parser.getText().isEmpty()),
                                    "model." + field,
                                    parser);
                    case "merges" -> merges(parser);
                    case "vocab" -> vocabulary(parser, value);
                    default ->
                            // The library keeps a tree of what it does not know.
                            requireSupported(value.isScalarValue(), "model." + field, parser);
                }
            }
        }

        private void vocabulary(JsonParser parser, JsonToken begin) throws IOException {
            byName = begin == JsonToken.START_OBJECT;
            if (byName) {
                while (parser.nextToken() == JsonToken.FIELD_NAME) {
                    String token = parser.currentName();
                    require(
                            parser.nextToken() == JsonToken.VALUE_NUMBER_INT,
                            () -> "model.vocab: the id of '" + token + "' is no integer");
                    add("model.vocab", token, parser.getLongValue());
                }
            } else if (begin == JsonToken.START_ARRAY) {
                while (parser.nextToken() == JsonToken.START_ARRAY) {
                    String token = parser.nextTextValue();
                    require(token != null, () -> "model.vocab: token " + pieces + " has no text");
                    require(
                            parser.nextToken() != null
                                    && parser.currentToken().isNumeric()
                                    && Double.isFinite(parser.getDoubleValue()),
                            () -> "model.vocab: '" + token + "' has no finite score");
                    require(
                            parser.nextToken() == JsonToken.END_ARRAY,
                            () -> "model.vocab: '" + token + "' has more than a score");
                    add("model.vocab", token, pieces);
                    unigramBytes += token.getBytes(StandardCharsets.UTF_8).length;
                    require(
                            unigramBytes <= MAX_UNIGRAM_BYTES,
                            () ->
                                    "model.vocab: more than %d bytes of pieces"
                                            .formatted(MAX_UNIGRAM_BYTES));
                }
                require(
                        parser.currentToken() == JsonToken.END_ARRAY,
                        "model.vocab: an entry is no pair of text and score");
            } else {
                require(false, "model.vocab: expected an object or a list");
            }
        }

        private void merges(JsonParser parser) throws IOException {
            require(
                    parser.currentToken() == JsonToken.START_ARRAY,
                    "model.merges: expected a list");
            int merges = 0;
            for (JsonToken token = parser.nextToken();
                    token != JsonToken.END_ARRAY;
                    token = parser.nextToken()) {
                int count = merges++;
                if (token == JsonToken.START_ARRAY) {
                    require(
                            parser.nextTextValue() != null
                                    && parser.nextTextValue() != null
                                    && parser.nextToken() == JsonToken.END_ARRAY,
                            () -> "model.merges: entry " + count + " is not two texts");
                } else {
                    require(
                            token == JsonToken.VALUE_STRING,
                            () -> "model.merges: entry " + count + " is no text");
                }
                require(merges <= MAX_MERGES, () -> "model.merges: more than " + MAX_MERGES);
            }
        }

        /// The library gives an added token the id of the vocabulary, or else the next one that is
        /// free, whatever the file says.
        private void addedTokens() {
            require(
                    addedTokens.isArray() || addedTokens.isMissingNode() || addedTokens.isNull(),
                    "added_tokens: expected a list");
            require(
                    addedTokens.size() <= MAX_ADDED_TOKENS,
                    () -> "added_tokens: more than " + MAX_ADDED_TOKENS);
            int free = pieces;
            for (JsonNode token : addedTokens) {
                int next = free;
                String content = token.path("content").textValue();
                addedLength += content == null ? 0 : content.length();
                require(
                        addedLength <= MAX_ADDED,
                        () -> "added_tokens: more than " + MAX_ADDED + " characters");
                long id = token.path("id").isIntegralNumber() ? token.path("id").longValue() : -1;
                Integer known = content == null ? null : ids.get(content);
                if (known == null) {
                    add("added_tokens", content, id);
                    require(
                            id == next,
                            () ->
                                    "added_tokens: '%s' has the id %d, the next one that is free is %d"
                                            .formatted(content, id, next));
                } else {
                    require(
                            known == id,
                            () ->
                                    "added_tokens: '%s' has the id %d, in the vocabulary it has %d"
                                            .formatted(content, id, known));
                }
                free = (int) Math.max(next, id + 1);
                if (token.path("special").asBoolean()) {
                    special.set((int) id);
                }
            }
        }

        private void add(String field, String token, long id) {
            require(token != null, () -> field + ": token " + id + " has no text");
            // Whisper has an empty one, which no text gives; unigram would find it everywhere.
            boolean empty = token.isEmpty() && !(field.equals("model.vocab") && byName);
            require(
                    !empty && token.length() <= MAX_TOKEN,
                    () ->
                            "%s: token %d is %d characters long, expected 1 to %d"
                                    .formatted(field, id, token.length(), MAX_TOKEN));
            vocabularyLength += token.length();
            require(
                    vocabularyLength <= MAX_VOCABULARY,
                    () -> field + ": more than " + MAX_VOCABULARY + " characters of tokens");
            require(
                    id >= 0 && id <= MAX_ID,
                    () -> field + ": the id " + id + " of '" + token + "' is out of range");
            if (id >= tokens.length) {
                tokens = Arrays.copyOf(tokens, Math.max((int) id + 1, 2 * tokens.length));
            }
            require(
                    tokens[(int) id] == null,
                    () ->
                            "%s: '%s' and '%s' have the id %d"
                                    .formatted(field, tokens[(int) id], token, id));
            require(
                    ids.put(token, (int) id) == null,
                    () -> "%s: '%s' stands there twice".formatted(field, token));
            tokens[(int) id] = token;
            size = Math.max(size, (int) id + 1);
            pieces++;
        }

        private void requireSupported(boolean holds, String field, JsonParser parser)
                throws IOException {
            if (!holds) {
                String value =
                        parser.currentToken().isScalarValue() ? parser.getText() : "no plain value";
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        "%s: %s '%s' is not supported".formatted(file, field, value));
            }
        }

        private void require(boolean holds, String message) {
            require(holds, () -> message);
        }

        /// For what is asked of every token: to write a message takes longer than to read one.
        private void require(boolean holds, Supplier<String> message) {
            if (!holds) {
                throw new EngineException(Reason.SOURCE_UNREADABLE, file + ": " + message.get());
            }
        }

        TokenizerFile file() {
            addedTokens();
            require(size > 0, "the vocabulary is empty");
            List<String> normalized = new ArrayList<>();
            for (JsonNode token : addedTokens) {
                if (token.path("normalized").asBoolean(true)) {
                    normalized.add(token.path("content").textValue());
                }
            }
            TokenizerSections.check(file, sections, ids, normalized);
            return new TokenizerFile(
                    Arrays.copyOf(tokens, size),
                    ids,
                    special,
                    TokenText.of(file, sections.get("decoder")));
        }
    }
}
