package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The sections of a `tokenizer.json`, as the tokenizer library spells them.
final class TokenizerJson {

    /// What stands for a space in SentencePiece's pieces.
    static final String BLANK = "\u2581";

    private static final JsonMapper MAPPER = new JsonMapper();
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private TokenizerJson() {}

    static ObjectNode node(String type) {
        return NODES.objectNode().put("type", type);
    }

    static ArrayNode list(JsonNode... nodes) {
        return NODES.arrayNode().addAll(Arrays.asList(nodes));
    }

    /// `steps` one after the other: nothing, the step itself, or a sequence under `name`.
    static JsonNode sequence(String name, List<? extends JsonNode> steps) {
        return switch (steps.size()) {
            case 0 -> NODES.nullNode();
            case 1 -> steps.getFirst();
            default -> {
                ObjectNode sequence = node("Sequence");
                sequence.putArray(name).addAll(steps);
                yield sequence;
            }
        };
    }

    static ObjectNode replace(String text, String content) {
        ObjectNode node = node("Replace");
        node.putObject("pattern").put("String", text);
        return node.put("content", content);
    }

    static ObjectNode replaceExpression(String expression, String content) {
        ObjectNode node = node("Replace");
        node.putObject("pattern").put("Regex", expression);
        return node.put("content", content);
    }

    /// Tokens before and after every text.
    static JsonNode postProcessor(Optional<AddedToken> before, Optional<AddedToken> after) {
        if (before.isEmpty() && after.isEmpty()) {
            return NODES.nullNode();
        }
        ObjectNode template = node("TemplateProcessing");
        ArrayNode single = template.putArray("single");
        ArrayNode pair = template.putArray("pair");
        ObjectNode tokens = NODES.objectNode();
        for (String sequence : new String[] {"A", "B"}) {
            int type = sequence.equals("A") ? 0 : 1;
            ArrayNode part = NODES.arrayNode();
            before.ifPresent(token -> part.add(special(token, type, tokens)));
            part.addObject().putObject("Sequence").put("id", sequence).put("type_id", type);
            after.ifPresent(token -> part.add(special(token, type, tokens)));
            pair.addAll(part);
            if (type == 0) {
                single.addAll(part);
            }
        }
        template.set("special_tokens", tokens);
        return template;
    }

    private static ObjectNode special(AddedToken token, int type, ObjectNode tokens) {
        ObjectNode known = tokens.putObject(token.content()).put("id", token.content());
        known.putArray("ids").add(token.id());
        known.putArray("tokens").add(token.content());
        ObjectNode node = NODES.objectNode();
        node.putObject("SpecialToken").put("id", token.content()).put("type_id", type);
        return node;
    }

    static ObjectNode addedToken(AddedToken token) {
        return NODES.objectNode()
                .put("id", token.id())
                .put("content", token.content())
                .put("single_word", token.singleWord())
                .put("lstrip", token.stripLeft())
                .put("rstrip", token.stripRight())
                .put("normalized", token.normalized())
                .put("special", token.special());
    }

    /// The whole file; what is not among the sections is null.
    static String file(List<AddedToken> added, Map<String, JsonNode> sections) {
        ObjectNode root = NODES.objectNode().put("version", "1.0");
        root.putNull("truncation").putNull("padding");
        ArrayNode tokens = root.putArray("added_tokens");
        added.forEach(token -> tokens.add(addedToken(token)));
        for (String name :
                new String[] {
                    "normalizer", "pre_tokenizer", "post_processor", "decoder", "model"
                }) {
            root.set(name, sections.getOrDefault(name, NODES.nullNode()));
        }
        return text(root);
    }

    /// A file with more added tokens than it has.
    static String withAddedTokens(String json, List<AddedToken> more) {
        try {
            ObjectNode root = (ObjectNode) MAPPER.readTree(json);
            ArrayNode added =
                    root.path("added_tokens") instanceof ArrayNode list
                            ? list
                            : root.putArray("added_tokens");
            more.forEach(token -> added.add(addedToken(token)));
            return text(root);
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new IllegalArgumentException("was to be read before", e);
        }
    }

    static String text(JsonNode node) {
        try {
            return MAPPER.writeValueAsString(node);
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new IllegalStateException("a tree of our own cannot be written", e);
        }
    }
}
