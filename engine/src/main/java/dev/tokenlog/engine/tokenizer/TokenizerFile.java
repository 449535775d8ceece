package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectReader;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;

/// What we need to know of a `tokenizer.json` beside what the tokenizer library does with it: the
/// vocabulary, the added tokens, and the rules that turn tokens into text.
///
/// @param tokens by id, null where an id has none
/// @param special ids of added tokens that are marked special
record TokenizerFile(
        String[] tokens, Map<String, Integer> ids, BitSet special, TokenText tokenText) {

    /// Reads one value in the middle of the file: more follows.
    private static final ObjectReader VALUE =
            StrictJson.MAPPER.reader().without(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

    private static final int MAX_ID = (1 << 22) - 1;

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
        private String[] tokens = new String[1 << 12];
        private int size;
        private JsonNode decoder;

        Reader(Path file) {
            this.file = file;
        }

        void read(JsonParser parser) throws IOException {
            require(parser.nextToken() == JsonToken.START_OBJECT, "expected a JSON object");
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                String field = parser.currentName();
                parser.nextToken();
                switch (field) {
                    case "added_tokens" -> addedTokens(VALUE.readTree(parser));
                    case "decoder" -> decoder = VALUE.readTree(parser);
                    case "model" -> model(parser);
                    default -> parser.skipChildren();
                }
            }
        }

        private void model(JsonParser parser) throws IOException {
            require(parser.currentToken() == JsonToken.START_OBJECT, "model: expected an object");
            while (parser.nextToken() == JsonToken.FIELD_NAME) {
                boolean vocabulary = parser.currentName().equals("vocab");
                JsonToken value = parser.nextToken();
                if (vocabulary && value == JsonToken.START_OBJECT) {
                    while (parser.nextToken() == JsonToken.FIELD_NAME) {
                        String token = parser.currentName();
                        require(
                                parser.nextToken() == JsonToken.VALUE_NUMBER_INT,
                                "model.vocab: the id of '" + token + "' is no integer");
                        add(token, parser.getLongValue());
                    }
                } else if (vocabulary && value == JsonToken.START_ARRAY) {
                    long id = 0;
                    while (parser.nextToken() == JsonToken.START_ARRAY) {
                        add(parser.nextTextValue(), id++);
                        while (parser.nextToken() != JsonToken.END_ARRAY) {
                            parser.skipChildren();
                        }
                    }
                } else {
                    parser.skipChildren();
                }
            }
        }

        private void addedTokens(JsonNode added) {
            for (JsonNode token : added) {
                long id = token.path("id").asLong(-1);
                add(token.path("content").textValue(), id);
                if (token.path("special").asBoolean()) {
                    special.set((int) id);
                }
            }
        }

        private void add(String token, long id) {
            require(token != null, "token " + id + " has no text");
            require(id >= 0 && id <= MAX_ID, "id " + id + " of '" + token + "' is out of range");
            if (id >= tokens.length) {
                tokens = Arrays.copyOf(tokens, Math.max((int) id + 1, 2 * tokens.length));
            }
            tokens[(int) id] = token;
            ids.put(token, (int) id);
            size = Math.max(size, (int) id + 1);
        }

        private void require(boolean holds, String message) {
            if (!holds) {
                throw new EngineException(Reason.SOURCE_UNREADABLE, file + ": " + message);
            }
        }

        TokenizerFile file() {
            require(size > 0, "the vocabulary is empty");
            return new TokenizerFile(
                    Arrays.copyOf(tokens, size), ids, special, TokenText.of(file, decoder));
        }
    }
}
