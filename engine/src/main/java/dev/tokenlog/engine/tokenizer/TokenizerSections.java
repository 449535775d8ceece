package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/// Checks the sections of a `tokenizer.json` before the tokenizer library sees them. The library is
/// native code that ends the whole process where it meets what it did not expect; so only what is
/// known to it, and known not to do that, is let through. Everything else is refused by name.
final class TokenizerSections {

    private static final int MAX_STEPS = 64;
    private static final int MAX_TEXT = 256;

    /// A text may become this many times as long, beside what one Unicode form makes of it. XLNet
    /// has a second form and an expression that is replaced.
    private static final long MAX_GROWTH = 36;

    /// A character may become as many by compatibility forms (U+FDFA), and by canonical ones.
    private static final int COMPATIBLE = Charsmap.MAX_REPLACEMENT;

    private static final int CANONICAL = 4;

    /// Characters that are put before a text, or before each piece of one, together.
    private static final int MAX_PREPENDED = 16;

    /// Ids of a special token of a template.
    private static final int MAX_SPECIAL_IDS = 64;

    private final Path file;
    private final Map<String, Integer> ids;

    /// What the steps of the normalizer may take from a text, in order.
    private final List<UnaryOperator<String>> removals = new ArrayList<>();

    private int steps;
    private long growth = 1;
    private int prepended;

    /// Whether there was a Unicode form: one is usual, and without another its characters stay as
    /// many.
    private boolean expanded;

    private TokenizerSections(Path file, Map<String, Integer> ids) {
        this.file = file;
        this.ids = ids;
    }

    /// @param sections by name; what is missing or null is no section
    /// @param ids of the whole vocabulary
    /// @throws EngineException `UNSUPPORTED` or `SOURCE_UNREADABLE`, naming file and field
    static void check(
            Path file,
            Map<String, JsonNode> sections,
            Map<String, Integer> ids,
            List<String> normalizedTokens) {
        TokenizerSections check = new TokenizerSections(file, ids);
        sections.forEach((name, node) -> {
            if (!node.isNull() && !node.isMissingNode()) {
                check.section(name, node);
            }
        });
        for (String token : normalizedTokens) {
            check.requireTextLeft(token);
        }
    }

    /// The library looks for such tokens in normalized form, and fails where that is empty.
    private void requireTextLeft(String token) {
        String text = token;
        for (UnaryOperator<String> removal : removals) {
            text = removal.apply(text);
        }
        if (text.isEmpty()) {
            throw unreadable(
                    "added_tokens", "'" + token + "' is normalized to nothing: it cannot be found");
        }
    }

    private void section(String name, JsonNode node) {
        switch (name) {
            case "normalizer" -> normalizer(name, node);
            case "pre_tokenizer" -> preTokenizer(name, node);
            case "post_processor" -> postProcessor(name, node);
            case "decoder" -> decoder(name, node);
            default -> throw new IllegalArgumentException(name);
        }
    }

    private interface Check {
        void check(String path, JsonNode node);
    }

    private void sequence(String path, JsonNode node, String field, Check check) {
        JsonNode list = node.path(field);
        if (!list.isArray()) {
            throw unreadable(path + "." + field, "is no list");
        }
        for (int i = 0; i < list.size(); i++) {
            if (++steps > MAX_STEPS) {
                throw unreadable(path, "more than " + MAX_STEPS + " steps");
            }
            check.check(path + "." + field + "[" + i + "]", list.get(i));
        }
    }

    private static String type(JsonNode node) {
        return node.path("type").asText("none");
    }

    private void normalizer(String path, JsonNode node) {
        switch (type(node)) {
            case "Sequence" -> sequence(path, node, "normalizers", this::normalizer);
            case "Lowercase" -> {}
            case "NFC", "NFD" -> expand(path, CANONICAL);
            case "NFKC", "NFKD" -> expand(path, COMPATIBLE);
            // A byte that is no visible ASCII becomes a character of two.
            case "ByteLevel" -> grow(path, 2);
            case "StripAccents", "Nmt" -> removals.add(TokenizerSections::plainCharacters);
            case "Strip" -> {
                booleans(path, node, "strip_left", "strip_right");
                removals.add(TokenizerSections::plainCharacters);
            }
            case "BertNormalizer" -> {
                booleans(path, node, "clean_text", "lowercase");
                removals.add(TokenizerSections::plainCharacters);
            }
            case "Prepend" -> {
                prepended += text(path + ".prepend", node.path("prepend")).length();
                if (prepended > MAX_PREPENDED) {
                    throw unreadable(path, "more than " + MAX_PREPENDED + " characters in all");
                }
            }
            case "Replace" -> {
                replace(path, node);
                removals.add(text -> replaced(path, node, text));
            }
            case "Precompiled" -> {
                try {
                    BitSet removed =
                            Charsmap.check(
                                    file,
                                    Base64.getDecoder()
                                            .decode(node.path("precompiled_charsmap").asText("")));
                    removals.add(text -> without(removed, text));
                    expand(path, COMPATIBLE);
                } catch (IllegalArgumentException e) {
                    throw unreadable(path + ".precompiled_charsmap", e.getMessage());
                }
            }
            default ->
                    throw unsupported(
                            path,
                            type(node),
                            "Sequence, Prepend, Replace, Precompiled, Strip, Lowercase, NFC, NFD,"
                                    + " NFKC, NFKD, Nmt, StripAccents, BertNormalizer, ByteLevel");
        }
    }

    /// What is left of a text where marks, controls and white space go.
    private static String plainCharacters(String text) {
        return text.replaceAll("[^\\p{L}\\p{N}\\p{P}\\p{S}]", "");
    }

    private static String without(BitSet removed, String text) {
        StringBuilder left = new StringBuilder();
        text.codePoints().filter(c -> !removed.get(c)).forEach(left::appendCodePoint);
        return left.toString();
    }

    private String replaced(String path, JsonNode node, String text) {
        JsonNode pattern = node.path("pattern");
        String content = node.path("content").textValue();
        if (pattern.path("String").isTextual()) {
            return text.replace(pattern.path("String").textValue(), content);
        }
        try {
            return Pattern.compile(pattern.path("Regex").textValue())
                    .matcher(text)
                    .replaceAll(Matcher.quoteReplacement(content));
        } catch (PatternSyntaxException e) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    file + ": " + path + ".pattern.Regex: is not accepted: " + e.getMessage(),
                    e);
        }
    }

    private void preTokenizer(String path, JsonNode node) {
        switch (type(node)) {
            case "Sequence" -> sequence(path, node, "pretokenizers", this::preTokenizer);
            case "ByteLevel" -> grow(path, 2);
            case "Whitespace",
                    "WhitespaceSplit",
                    "BertPreTokenizer",
                    "UnicodeScripts",
                    "Digits",
                    "Punctuation" -> {}
            case "Metaspace" -> character(path + ".replacement", node.path("replacement"), true);
            case "CharDelimiterSplit" ->
                    character(path + ".delimiter", node.path("delimiter"), false);
            case "Split" -> pattern(path + ".pattern", node.path("pattern"));
            default ->
                    throw unsupported(
                            path,
                            type(node),
                            "Sequence, ByteLevel, Split, Metaspace, Digits, Punctuation, Whitespace,"
                                    + " WhitespaceSplit, CharDelimiterSplit, BertPreTokenizer,"
                                    + " UnicodeScripts");
        }
    }

    private void decoder(String path, JsonNode node) {
        switch (type(node)) {
            case "Sequence" -> sequence(path, node, "decoders", this::decoder);
            case "Replace" -> replace(path, node);
            // Which of the others there may be, and where, is TokenText's to say.
            default -> {}
        }
    }

    private void postProcessor(String path, JsonNode node) {
        switch (type(node)) {
            case "Sequence" -> sequence(path, node, "processors", this::postProcessor);
            case "ByteLevel" -> {}
            case "BertProcessing", "RobertaProcessing" -> {
                pair(path + ".sep", node.path("sep"));
                pair(path + ".cls", node.path("cls"));
            }
            case "TemplateProcessing" -> template(path, node);
            default ->
                    throw unsupported(
                            path,
                            type(node),
                            "Sequence, TemplateProcessing, ByteLevel, BertProcessing,"
                                    + " RobertaProcessing");
        }
    }

    private void pair(String path, JsonNode node) {
        if (!node.isArray() || node.size() != 2 || !node.get(0).isTextual()) {
            throw unreadable(path, "is " + shown(node) + ", expected a token and its id");
        }
        id(path, node.get(0).textValue(), node.get(1));
    }

    private void template(String path, JsonNode node) {
        Set<String> known = new HashSet<>();
        node.path("special_tokens")
                .properties()
                .forEach(entry -> {
                    String at = path + ".special_tokens." + entry.getKey();
                    JsonNode tokens = entry.getValue().path("tokens");
                    JsonNode listed = entry.getValue().path("ids");
                    if (!tokens.isArray() || !listed.isArray() || tokens.size() != listed.size()) {
                        throw unreadable(at, "needs tokens and as many ids");
                    }
                    if (listed.size() > MAX_SPECIAL_IDS) {
                        throw unreadable(at, "more than " + MAX_SPECIAL_IDS + " ids");
                    }
                    for (int i = 0; i < tokens.size(); i++) {
                        id(at, tokens.get(i).asText(), listed.get(i));
                    }
                    known.add(entry.getKey());
                });
        for (String field : new String[] {"single", "pair"}) {
            JsonNode parts = node.path(field);
            int sequences = 0;
            if (parts.size() > MAX_STEPS) {
                throw unreadable(path + "." + field, "more than " + MAX_STEPS + " parts");
            }
            for (JsonNode part : parts) {
                JsonNode special = part.path("SpecialToken").path("id");
                if (!special.isMissingNode() && !known.contains(special.asText())) {
                    throw unreadable(
                            path + "." + field,
                            "'" + special.asText() + "' is not among special_tokens");
                }
                sequences += part.has("Sequence") ? 1 : 0;
            }
            int expected = field.equals("single") ? 1 : 2;
            if (sequences != expected) {
                throw unreadable(
                        path + "." + field, sequences + " sequences, expected " + expected);
            }
        }
    }

    private void id(String path, String token, JsonNode id) {
        Integer known = ids.get(token);
        if (!id.isInt() || known == null || known != id.intValue()) {
            throw unreadable(
                    path,
                    "'%s' has the id %s, in the vocabulary it has %s"
                            .formatted(token, shown(id), known == null ? "none" : known));
        }
    }

    private void replace(String path, JsonNode node) {
        int least = pattern(path + ".pattern", node.path("pattern"));
        String content = text(path + ".content", node.path("content"));
        grow(path, Math.max(1, content.length() / Math.max(1, least) + (least == 0 ? 1 : 0)));
    }

    private void expand(String path, int factor) {
        if (expanded) {
            grow(path, factor);
        }
        expanded = true;
    }

    /// Steps that make a text longer do so by the product of their factors.
    private void grow(String path, int factor) {
        growth *= factor;
        if (growth > MAX_GROWTH) {
            throw unreadable(path, "the steps make a text grow without measure");
        }
    }

    /// @return the least number of characters that it matches, or 0 where that is not known
    private int pattern(String path, JsonNode pattern) {
        JsonNode text = pattern.path("String");
        if (text.isTextual()) {
            if (text(path + ".String", text).isEmpty()) {
                throw unreadable(path + ".String", "is empty");
            }
            return text.textValue().length();
        }
        JsonNode expression = pattern.path("Regex");
        if (!expression.isTextual()) {
            throw unreadable(path, "is " + shown(pattern) + ", expected String or Regex");
        }
        try {
            SafeExpression.check(expression.textValue());
        } catch (IllegalArgumentException e) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: %s: the regular expression is not accepted: %s"
                            .formatted(file, path + ".Regex", e.getMessage()),
                    e);
        }
        return 0;
    }

    private String text(String path, JsonNode node) {
        if (!node.isTextual() || node.textValue().length() > MAX_TEXT) {
            throw unreadable(
                    path, "is " + shown(node) + ", expected at most " + MAX_TEXT + " characters");
        }
        return node.textValue();
    }

    private void character(String path, JsonNode node, boolean optional) {
        if (optional && node.isMissingNode()) {
            return;
        }
        String text = node.asText();
        if (!node.isTextual() || text.codePointCount(0, text.length()) != 1) {
            throw unreadable(path, "is " + shown(node) + ", expected one character");
        }
    }

    private void booleans(String path, JsonNode node, String... fields) {
        for (String field : fields) {
            if (!node.path(field).isBoolean()) {
                throw unreadable(
                        path + "." + field,
                        "is " + shown(node.path(field)) + ", expected true or false");
            }
        }
    }

    /// A value of the file in a message, however long it is.
    private static String shown(JsonNode node) {
        if (node.isMissingNode()) {
            return "missing";
        }
        String text = node.isContainerNode() ? node.getNodeType().toString() : node.toString();
        return text.length() > 60 ? text.substring(0, 60) + "…" : text;
    }

    private EngineException unreadable(String path, String message) {
        return new EngineException(Reason.SOURCE_UNREADABLE, file + ": " + path + ": " + message);
    }

    private EngineException unsupported(String path, String type, String expected) {
        return new EngineException(
                Reason.UNSUPPORTED,
                "%s: %s '%s' is not supported, expected one of %s"
                        .formatted(file, path, type, expected));
    }
}
