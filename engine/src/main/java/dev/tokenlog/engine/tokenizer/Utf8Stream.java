package dev.tokenlog.engine.tokenizer;

/// Decodes UTF-8 that comes in pieces: a character is given out when its last byte has come. What
/// is ill-formed becomes U+FFFD, by the rule of the WHATWG encoding standard (one for each maximal
/// subpart), as in Rust's `from_utf8_lossy`.
final class Utf8Stream {

    private static final char REPLACEMENT = '\ufffd';

    /// Whether each byte of an ill-formed sequence gets its own U+FFFD, as SentencePiece does.
    private final boolean replaceEachByte;

    private int codePoint;
    private int seen;
    private int needed;
    private int least = 0x80;
    private int most = 0xbf;

    Utf8Stream(boolean replaceEachByte) {
        this.replaceEachByte = replaceEachByte;
    }

    void decode(byte[] bytes, StringBuilder out) {
        for (byte b : bytes) {
            decode(b & 0xff, out);
        }
    }

    private void decode(int b, StringBuilder out) {
        if (needed == 0) {
            begin(b, out);
            return;
        }
        if (b < least || b > most) {
            out.repeat(REPLACEMENT, replaceEachByte ? seen : 1);
            reset();
            begin(b, out);
            return;
        }
        least = 0x80;
        most = 0xbf;
        codePoint = codePoint << 6 | b & 0x3f;
        seen++;
        if (--needed == 0) {
            out.appendCodePoint(codePoint);
            reset();
        }
    }

    private void begin(int b, StringBuilder out) {
        if (b < 0x80) {
            out.append((char) b);
        } else if (b >= 0xc2 && b <= 0xdf) {
            expect(1, b & 0x1f);
        } else if (b >= 0xe0 && b <= 0xef) {
            least = b == 0xe0 ? 0xa0 : 0x80;
            most = b == 0xed ? 0x9f : 0xbf;
            expect(2, b & 0xf);
        } else if (b >= 0xf0 && b <= 0xf4) {
            least = b == 0xf0 ? 0x90 : 0x80;
            most = b == 0xf4 ? 0x8f : 0xbf;
            expect(3, b & 0x7);
        } else {
            out.append(REPLACEMENT);
        }
    }

    private void expect(int continuationBytes, int firstBits) {
        needed = continuationBytes;
        codePoint = firstBits;
        seen = 1;
    }

    private void reset() {
        needed = 0;
        seen = 0;
        least = 0x80;
        most = 0xbf;
    }

    /// Whether bytes of an unfinished character wait for the rest.
    boolean isWaiting() {
        return needed > 0;
    }
}
