package dev.tokenlog.engine.evaluate;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/// Text for validation: one JSON object with `messages` per line.
public final class HeldOutText {

    private static final TypeReference<List<Map<String, Object>>> MESSAGES =
            new TypeReference<>() {};

    private HeldOutText() {}

    /// Renders and tokenizes line after line.
    ///
    /// @param longest tokens of a document; the rest of a longer one is left out
    /// @param maxTokens no document is begun after this many tokens to predict
    /// @return documents of at least two tokens; the first of a document is given, the others are
    ///   to be predicted
    /// @throws EngineException `SOURCE_NOT_FOUND`, `SOURCE_UNREADABLE` or `TEMPLATE_REFUSED`
    public static List<int[]> read(
            Path file,
            ChatTemplate template,
            ModelTokenizer tokenizer,
            int longest,
            long maxTokens) {
        try (BufferedReader lines = Files.newBufferedReader(file)) {
            return read(file.toString(), lines, template, tokenizer, longest, maxTokens);
        } catch (NoSuchFileException e) {
            throw new EngineException(Reason.SOURCE_NOT_FOUND, file + ": not found", e);
        } catch (IOException e) {
            throw unreadable(file.toString(), e);
        }
    }

    /// The same from memory.
    ///
    /// @param name of the text, for errors
    public static List<int[]> read(
            String name,
            byte[] content,
            ChatTemplate template,
            ModelTokenizer tokenizer,
            int longest,
            long maxTokens) {
        // A decoder of its own refuses what is not UTF-8.
        try (BufferedReader lines =
                new BufferedReader(
                        new InputStreamReader(
                                new ByteArrayInputStream(content),
                                StandardCharsets.UTF_8.newDecoder()))) {
            return read(name, lines, template, tokenizer, longest, maxTokens);
        } catch (IOException e) {
            throw unreadable(name, e);
        }
    }

    private static EngineException unreadable(String name, IOException e) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE,
                e instanceof CharacterCodingException
                        ? name + ": is not UTF-8"
                        : name + ": cannot be read: " + e.getMessage(),
                e);
    }

    private static List<int[]> read(
            String name,
            BufferedReader lines,
            ChatTemplate template,
            ModelTokenizer tokenizer,
            int longest,
            long maxTokens)
            throws IOException {
        List<int[]> documents = new ArrayList<>();
        long tokens = 0;
        int lineNumber = 0;
        String line = lines.readLine();
        for (; line != null && tokens < maxTokens; line = lines.readLine()) {
            lineNumber++;
            if (line.isBlank()) {
                continue;
            }
            List<Map<String, Object>> messages = messages(name + ", line " + lineNumber, line);
            String text = template.render(messages, false, null, Instant.EPOCH);
            int[] ids = tokenizer.encode(text, template.needsSpecialTokens());
            if (ids.length > 1) {
                int[] document = Arrays.copyOf(ids, Math.min(ids.length, longest));
                documents.add(document);
                tokens += document.length - 1;
            }
        }
        if (documents.isEmpty()) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, name + ": has no line with messages");
        }
        return documents;
    }

    private static List<Map<String, Object>> messages(String place, String line) {
        try {
            JsonNode messages = StrictJson.MAPPER.readTree(line).path("messages");
            boolean objects = messages.isArray() && !messages.isEmpty();
            for (JsonNode message : messages) {
                objects &= message.isObject();
            }
            if (!objects) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE, place + ": expected a list of messages");
            }
            return StrictJson.MAPPER.convertValue(messages, MESSAGES);
        } catch (JsonProcessingException e) {
            throw StrictJson.unreadable(place, e);
        }
    }
}
