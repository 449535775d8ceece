package dev.tokenlog.engine.tokenizer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/// A SentencePiece vocabulary with the rules for its text, and its translation to `tokenizer.json`,
/// which gives SentencePiece's ids.
///
/// @param source names the vocabulary in errors, for instance by its file
/// @param pieces by id
/// @param addDummyPrefix whether a text begins with a space that nobody wrote
/// @param removeExtraWhitespaces whether spaces at both ends go, and runs of them become one
/// @param charsmap SentencePiece's compiled normalization rules; empty where it changes nothing
public record SentencePieceVocabulary(
        String source,
        Algorithm algorithm,
        List<Piece> pieces,
        boolean addDummyPrefix,
        boolean removeExtraWhitespaces,
        byte[] charsmap) {

    public enum Algorithm {
        /// Merges the neighbours whose piece has the highest score, until there are none.
        BPE,
        /// Takes the pieces with the highest sum of scores.
        UNIGRAM
    }

    /// What a piece is for; the codes 1 to 6 of SentencePiece's files, in this order.
    public enum Kind {
        NORMAL,
        /// Stands for text that no piece covers. There is exactly one.
        UNKNOWN,
        /// Has no text: beginning and end of a sequence and the like.
        CONTROL,
        /// Is always cut out of a text as a whole.
        USER_DEFINED,
        /// Is never made.
        UNUSED,
        /// `<0x00>` to `<0xFF>`: the bytes of characters that no piece covers.
        BYTE;

        /// @throws IllegalArgumentException for a code that is none
        public static Kind ofCode(int code) {
            if (code < 1 || code > values().length) {
                throw new IllegalArgumentException(code + " is no kind of piece");
            }
            return values()[code - 1];
        }
    }

    public record Piece(String text, float score, Kind kind) {}

    private static final int BYTES = 256;
    private static final int MAX_STRIPPED = 1 << 16;

    /// Work of deriving merges, in compared characters; a real vocabulary of 256,000 needs 3e7.
    private static final long MAX_WORK = 200_000_000L;

    public SentencePieceVocabulary {
        pieces = List.copyOf(pieces);
    }

    /// @param declared what the files of the model say about added tokens: flags of pieces, and
    ///   tokens beyond the pieces
    /// @param before token before every text, which is among the pieces or declared
    /// @param after token after every text
    /// @throws EngineException `SOURCE_UNREADABLE` or `UNSUPPORTED`, naming the source and the
    ///   piece
    public String tokenizerJson(
            List<AddedToken> declared, Optional<String> before, Optional<String> after) {
        Map<String, Integer> ids = ids();
        List<AddedToken> added = added(declared, ids);
        Map<String, JsonNode> sections = new HashMap<>();
        sections.put("normalizer", normalizer());
        sections.put("pre_tokenizer", preTokenizer());
        sections.put(
                "post_processor",
                TokenizerJson.postProcessor(find(added, before), find(added, after)));
        sections.put("decoder", decoder());
        sections.put("model", algorithm == Algorithm.BPE ? bpe(ids, added) : unigram(added));
        return TokenizerJson.file(added, sections);
    }

    private Map<String, Integer> ids() {
        Map<String, Integer> ids = HashMap.newHashMap(pieces.size());
        int unknown = 0;
        int bytes = 0;
        for (int id = 0; id < pieces.size(); id++) {
            Piece piece = pieces.get(id);
            int length = piece.text().length();
            require(
                    length > 0 && length <= TokenizerFile.MAX_TOKEN,
                    "piece %d is %d characters long, expected 1 to %d"
                            .formatted(id, length, TokenizerFile.MAX_TOKEN));
            require(Float.isFinite(piece.score()), "piece " + id + " has no finite score");
            Integer other = ids.put(piece.text(), id);
            require(other == null, "pieces " + other + " and " + id + " are the same");
            unknown += piece.kind() == Kind.UNKNOWN ? 1 : 0;
            if (piece.kind() == Kind.BYTE) {
                require(TokenText.isByte(piece.text()), "piece " + id + " is no byte");
                bytes++;
            }
        }
        require(unknown == 1, unknown + " pieces for unknown text, expected 1");
        require(bytes == 0 || bytes == BYTES, bytes + " pieces for bytes, expected 0 or 256");
        return ids;
    }

    private boolean byteFallback() {
        return pieces.stream().anyMatch(piece -> piece.kind() == Kind.BYTE);
    }

    private Piece unknown() {
        return pieces.stream().filter(p -> p.kind() == Kind.UNKNOWN).findFirst().orElseThrow();
    }

    /// Pieces that are no ordinary text, and tokens that came later, by id.
    private List<AddedToken> added(List<AddedToken> declared, Map<String, Integer> ids) {
        Map<Integer, AddedToken> added = new TreeMap<>();
        for (int id = 0; id < pieces.size(); id++) {
            Piece piece = pieces.get(id);
            switch (piece.kind()) {
                case UNKNOWN, CONTROL -> added.put(id, AddedToken.plain(id, piece.text(), true));
                // SentencePiece looks for them in the normalized text, where there are no spaces
                // and, where it removes them, no runs of blanks.
                case USER_DEFINED -> {
                    boolean blank =
                            removeExtraWhitespaces
                                    && piece.text().replace(TokenizerJson.BLANK, "").isEmpty();
                    if (piece.text().indexOf(' ') < 0 && !blank) {
                        AddedToken token = AddedToken.plain(id, piece.text(), false);
                        added.put(id, token.withNormalized(true));
                    }
                }
                case NORMAL, UNUSED, BYTE -> {}
            }
        }
        for (AddedToken token : declared) {
            Integer id = ids.get(token.content());
            boolean piece = token.id() < pieces.size();
            require(
                    piece ? id != null && id == token.id() : id == null,
                    "added token '%s' has the id %d, which among the pieces %s"
                            .formatted(
                                    token.content(),
                                    token.id(),
                                    piece
                                            ? "is '" + pieces.get(token.id()).text() + "'"
                                            : "is " + id));
            boolean userDefined = piece && pieces.get(token.id()).kind() == Kind.USER_DEFINED;
            added.put(token.id(), userDefined ? token.withNormalized(true) : token);
        }
        return List.copyOf(added.values());
    }

    private Optional<AddedToken> find(List<AddedToken> added, Optional<String> content) {
        return content.map(text ->
                added.stream()
                        .filter(token -> token.content().equals(text))
                        .findFirst()
                        .orElseThrow(() -> unreadable("there is no special token '" + text + "'")));
    }

    /// Compiled rules first, then white space, as SentencePiece's normalizer does it.
    private JsonNode normalizer() {
        List<JsonNode> steps = new ArrayList<>();
        if (charsmap.length > 0) {
            steps.add(
                    TokenizerJson.node("Precompiled")
                            .put(
                                    "precompiled_charsmap",
                                    Base64.getEncoder().encodeToString(charsmap)));
        }
        if (removeExtraWhitespaces) {
            String blank = "[ " + TokenizerJson.BLANK + "]";
            steps.add(TokenizerJson.replaceExpression(" {2,}", " "));
            // Looking back keeps the time linear: only the beginning of a run is tried.
            steps.add(
                    TokenizerJson.replaceExpression(
                            "\\A |(?<!" + blank + ")" + blank + "+\\z", ""));
        }
        if (addDummyPrefix) {
            steps.add(dummyPrefix());
        }
        steps.add(TokenizerJson.replace(" ", TokenizerJson.BLANK));
        return TokenizerJson.sequence("normalizers", steps);
    }

    /// The library normalizes the contents of tokens as well before it looks for them in normalized
    /// text: user-defined pieces must stay as they are there.
    private JsonNode dummyPrefix() {
        List<String> whole = new ArrayList<>();
        for (Piece piece : pieces) {
            if (piece.kind() == Kind.USER_DEFINED) {
                whole.add(quoted(piece.text()));
            }
        }
        if (whole.isEmpty()) {
            return TokenizerJson.node("Prepend").put("prepend", TokenizerJson.BLANK);
        }
        return TokenizerJson.replaceExpression(
                "\\A(?=[\\s\\S])(?!(?:" + String.join("|", whole) + ")\\z)", TokenizerJson.BLANK);
    }

    /// A text as an expression that matches it, before and after blanks are replaced.
    private static String quoted(String text) {
        StringBuilder out = new StringBuilder();
        text.codePoints()
                .forEach(c -> {
                    if (c == ' ' || c == TokenizerJson.BLANK.charAt(0)) {
                        out.append("[ ").append(TokenizerJson.BLANK).append(']');
                    } else if (c < 0x80 && !Character.isLetterOrDigit(c)) {
                        out.append(String.format("\\x%02x", c));
                    } else {
                        out.appendCodePoint(c);
                    }
                });
        return out.toString();
    }

    /// Unigram would take the letters `<0x41>` for the piece of that byte: the first is cut off.
    private JsonNode preTokenizer() {
        if (algorithm == Algorithm.BPE || !byteFallback()) {
            return null;
        }
        ObjectNode split = TokenizerJson.node("Split");
        split.putObject("pattern").put("Regex", "<(?=0x[0-9A-F]{2}>)");
        return split.put("behavior", "Isolated").put("invert", false);
    }

    private JsonNode decoder() {
        List<JsonNode> steps = new ArrayList<>();
        steps.add(TokenizerJson.replace(TokenizerJson.BLANK, " "));
        steps.add(TokenizerJson.node("ByteFallback"));
        steps.add(TokenizerJson.node("Fuse"));
        if (addDummyPrefix || removeExtraWhitespaces) {
            // Without extra spaces, all that stand before the first piece with text go.
            int most = removeExtraWhitespaces ? MAX_STRIPPED : 1;
            steps.add(
                    TokenizerJson.node("Strip")
                            .put("content", " ")
                            .put("start", most)
                            .put("stop", 0));
        }
        return TokenizerJson.sequence("decoders", steps);
    }

    private ObjectNode bpe(Map<String, Integer> ids, List<AddedToken> added) {
        ObjectNode model = TokenizerJson.node("BPE");
        model.put("unk_token", unknown().text()).put("fuse_unk", true);
        model.put("byte_fallback", byteFallback());
        ObjectNode vocabulary = model.putObject("vocab");
        for (int id = 0; id < pieces.size(); id++) {
            vocabulary.put(pieces.get(id).text(), id);
        }
        added.forEach(token -> vocabulary.put(token.content(), token.id()));
        ArrayNode merges = model.putArray("merges");
        for (Merge merge : merges(ids)) {
            merges.addArray()
                    .add(pieces.get(merge.left()).text())
                    .add(pieces.get(merge.right()).text());
        }
        return model;
    }

    private record Merge(int left, int right, int piece, float score) {}

    /// SentencePiece merges by the score of what comes out; the ranks of the library need a list:
    /// each way to make a piece of two others, highest score first.
    private List<Merge> merges(Map<String, Integer> ids) {
        List<Merge> merges = new ArrayList<>();
        long work = 0;
        for (int id = 0; id < pieces.size(); id++) {
            Piece piece = pieces.get(id);
            if (piece.kind() != Kind.NORMAL && piece.kind() != Kind.UNUSED) {
                continue;
            }
            String text = piece.text();
            work += (long) text.length() * text.length();
            require(work < MAX_WORK, "the pieces are too long to be merged");
            int last = text.length() - Character.charCount(text.codePointBefore(text.length()));
            for (int at = 0; at < last; ) {
                at += Character.charCount(text.codePointAt(at));
                Integer left = ids.get(text.substring(0, at));
                Integer right = ids.get(text.substring(at));
                if (left != null && right != null && isMade(left) && isMade(right)) {
                    requireUsed(piece, id);
                    merges.add(new Merge(left, right, id, piece.score()));
                }
            }
        }
        merges.sort(
                Comparator.comparing(Merge::score)
                        .reversed()
                        .thenComparingInt(Merge::piece)
                        .thenComparingInt(Merge::left)
                        .thenComparingInt(Merge::right));
        return merges;
    }

    private boolean isMade(int id) {
        Kind kind = pieces.get(id).kind();
        return kind == Kind.NORMAL || kind == Kind.UNUSED;
    }

    /// SentencePiece makes an unused piece on the way to a longer one and takes it apart where it
    /// stays; the library cannot.
    private void requireUsed(Piece piece, int id) {
        if (piece.kind() == Kind.UNUSED) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: piece %d '%s' is marked unused but can be merged; such a restricted vocabulary is not supported"
                            .formatted(source, id, piece.text()));
        }
    }

    private ObjectNode unigram(List<AddedToken> added) {
        ObjectNode model = TokenizerJson.node("Unigram");
        model.put("unk_id", pieces.indexOf(unknown())).put("byte_fallback", byteFallback());
        ArrayNode vocabulary = model.putArray("vocab");
        for (int id = 0; id < pieces.size(); id++) {
            Piece piece = pieces.get(id);
            if (piece.kind() == Kind.UNUSED) {
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        "%s: piece %d '%s' is marked unused; a restricted vocabulary is not supported"
                                .formatted(source, id, piece.text()));
            }
            // The decimal form of a float gives the same double in every reader.
            vocabulary.addArray().add(piece.text()).add((double) piece.score());
        }
        for (AddedToken token : added) {
            if (token.id() >= pieces.size()) {
                require(
                        token.id() == vocabulary.size(),
                        "added token %d '%s' leaves ids without a token, expected %d"
                                .formatted(token.id(), token.content(), vocabulary.size()));
                vocabulary.addArray().add(token.content()).add(0.0);
            }
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

    /// Texts and scores of pieces, for those who have them apart.
    public static List<Piece> pieces(List<String> texts, float[] scores, int[] codes) {
        if (texts.size() != scores.length || texts.size() != codes.length) {
            throw new IllegalArgumentException(
                    texts.size()
                            + " texts, "
                            + scores.length
                            + " scores, "
                            + codes.length
                            + " kinds");
        }
        List<Piece> pieces = new ArrayList<>(texts.size());
        for (int id = 0; id < scores.length; id++) {
            pieces.add(new Piece(texts.get(id), scores[id], Kind.ofCode(codes[id])));
        }
        return pieces;
    }
}
