package dev.tokenlog.engine.tokenizer;

/// Turns the tokens of one generation into text while they come, and never splits a character.
///
/// What it has given out after `n` tokens is a pure function of these tokens, however they were
/// grouped; it is what the tokenizer's own `decode` gives for them without special tokens, less an
/// unfinished character at the end. Each token costs as much as its own length. Not for several
/// threads at once.
public final class StreamingDetokenizer {

    private final ModelTokenizer tokenizer;
    private final TokenText tokenText;
    private final Utf8Stream utf8;
    private final StringBuilder fresh = new StringBuilder();
    private boolean first = true;
    private int toStrip;

    StreamingDetokenizer(ModelTokenizer tokenizer, TokenText tokenText) {
        this.tokenizer = tokenizer;
        this.tokenText = tokenText;
        this.utf8 = new Utf8Stream(tokenText.byteFallback());
        this.toStrip = tokenText.stripped();
    }

    /// Takes the next token.
    ///
    /// @param id special tokens, tokens that end a sequence and ids without a token have no text
    /// @return the text that is now complete and was not before; often a word, sometimes nothing
    public String append(int id) {
        if (tokenizer.isSpecial(id)) {
            return "";
        }
        String token = tokenizer.token(id).orElse(null);
        if (token == null) {
            return "";
        }
        fresh.setLength(0);
        utf8.decode(tokenText.bytes(token, first), fresh);
        first = false;
        int start = 0;
        while (start < fresh.length() && toStrip > 0) {
            if (fresh.charAt(start) != ' ') {
                toStrip = 0;
                break;
            }
            start++;
            toStrip--;
        }
        return fresh.substring(start);
    }

    /// Takes the next tokens.
    ///
    /// @return the text that is now complete and was not before
    public String append(int[] ids) {
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(append(id));
        }
        return text.toString();
    }

    /// Whether the last tokens hold the beginning of a character that is not complete yet.
    public boolean isInsideCharacter() {
        return utf8.isWaiting();
    }
}
