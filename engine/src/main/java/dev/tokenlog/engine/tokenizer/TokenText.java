package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;

/// How a token becomes bytes of text: the `decoder` of a `tokenizer.json`, for the forms that
/// generating models use. Those that look at neighbours (WordPiece, CTC) have no streaming form and
/// are refused.
///
/// @param byteLevel each character of a token stands for a byte (the GPT-2 alphabet)
/// @param byteFallback tokens such as `<0x0A>` are bytes
/// @param replacements in tokens, for instance `▁` by a space
/// @param blanksOfFirstToken whether the first token keeps what the replacements made of it
///   (Metaspace drops it)
/// @param stripped spaces that are dropped at the beginning of the text
record TokenText(
        boolean byteLevel,
        boolean byteFallback,
        Map<String, String> replacements,
        boolean blanksOfFirstToken,
        int stripped) {

    private static final int[] BYTE_OF_CHARACTER = gpt2Alphabet();

    static TokenText of(Path file, JsonNode decoder) {
        JsonNode node = decoder == null ? MissingNode.getInstance() : decoder;
        TokenText plain = new TokenText(false, false, Map.of(), true, 0);
        if (!node.path("type").asText().equals("Sequence")) {
            return plain.with(file, node, false);
        }
        TokenText rules = plain;
        boolean fused = false;
        for (JsonNode step : node.path("decoders")) {
            fused |= step.path("type").asText().equals("Fuse");
            rules = rules.with(file, step, fused);
        }
        return rules;
    }

    private TokenText with(Path file, JsonNode step, boolean fused) {
        String type = step.path("type").asText("none");
        return switch (type) {
            case "ByteLevel" ->
                    new TokenText(true, byteFallback, replacements, blanksOfFirstToken, stripped);
            case "ByteFallback" ->
                    new TokenText(byteLevel, true, replacements, blanksOfFirstToken, stripped);
            case "Fuse" -> this;
            case "Metaspace" -> {
                boolean prepends =
                        step.has("prepend_scheme")
                                ? !step.path("prepend_scheme").asText().equals("never")
                                : step.path("add_prefix_space").asBoolean(true);
                String blank = step.path("replacement").asText("\u2581");
                yield new TokenText(
                        byteLevel, byteFallback, replacing(blank, " "), !prepends, stripped);
            }
            case "Replace" -> {
                JsonNode pattern = step.path("pattern").path("String");
                if (!pattern.isTextual() || pattern.textValue().isEmpty() || fused) {
                    throw unsupported(file, "Replace with a pattern");
                }
                yield new TokenText(
                        byteLevel,
                        byteFallback,
                        replacing(pattern.textValue(), step.path("content").asText()),
                        blanksOfFirstToken,
                        stripped);
            }
            case "Strip" -> {
                boolean ofSpace = step.path("content").asText().equals(" ");
                if (!fused || !ofSpace || step.path("stop").asInt() != 0) {
                    throw unsupported(file, "Strip of other than leading spaces");
                }
                yield new TokenText(
                        byteLevel,
                        byteFallback,
                        replacements,
                        blanksOfFirstToken,
                        step.path("start").asInt());
            }
            default -> throw unsupported(file, type);
        };
    }

    private Map<String, String> replacing(String pattern, String content) {
        Map<String, String> more = new TreeMap<>(replacements);
        more.put(pattern, content);
        return Map.copyOf(more);
    }

    private static EngineException unsupported(Path file, String what) {
        return new EngineException(
                Reason.UNSUPPORTED,
                file
                        + ": decoder '"
                        + what
                        + "' is not supported, expected ByteLevel, Metaspace or a sequence of"
                        + " Replace, ByteFallback, Fuse and Strip");
    }

    /// The bytes that a token adds to the text.
    ///
    /// @param first whether it is the first that adds any
    byte[] bytes(String token, boolean first) {
        if (byteFallback && isByte(token)) {
            return new byte[] {(byte) Integer.parseInt(token.substring(3, 5), 16)};
        }
        String text = token;
        for (Map.Entry<String, String> replacement : replacements.entrySet()) {
            String content = first && !blanksOfFirstToken ? "" : replacement.getValue();
            text = text.replace(replacement.getKey(), content);
        }
        return byteLevel ? byteLevelBytes(text) : text.getBytes(StandardCharsets.UTF_8);
    }

    static boolean isByte(String token) {
        return token.length() == 6
                && token.startsWith("<0x")
                && token.endsWith(">")
                && Character.digit(token.charAt(3), 16) >= 0
                && Character.digit(token.charAt(4), 16) >= 0;
    }

    /// A token with a character outside the alphabet (an added token) stands for itself.
    private static byte[] byteLevelBytes(String text) {
        byte[] bytes = new byte[text.length()];
        for (int i = 0; i < bytes.length; i++) {
            char c = text.charAt(i);
            if (c >= BYTE_OF_CHARACTER.length || BYTE_OF_CHARACTER[c] < 0) {
                return text.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = (byte) BYTE_OF_CHARACTER[c];
        }
        return bytes;
    }

    /// GPT-2's `bytes_to_unicode`: printable Latin-1 stands for itself, the other bytes, in order,
    /// for the characters from U+0100.
    private static int[] gpt2Alphabet() {
        int[] byteOf = new int[0x144];
        java.util.Arrays.fill(byteOf, -1);
        int next = 0x100;
        for (int b = 0; b < 256; b++) {
            boolean printable = (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
            byteOf[printable ? b : next++] = b;
        }
        return byteOf;
    }
}
