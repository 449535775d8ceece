package dev.tokenlog.engine.tokenizer;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.BitSet;

/// SentencePiece's `precompiled_charsmap`: the size of a trie, the trie as a double array of 32-bit
/// units (little endian), and the replacements, each ended by a zero byte. The tokenizer library
/// follows its indexes unchecked and takes the process down where one leads outside: they are
/// checked here.
///
/// Layout of a unit: [darts-clone](https://github.com/s-yata/darts-clone)
final class Charsmap {

    /// Characters of a replacement: what compatibility forms make of U+FDFA, which SentencePiece's
    /// own rules contain.
    static final int MAX_REPLACEMENT = 18;

    private static final int LABEL = 0x800000ff;
    private static final int LEAF = 1 << 8;

    private Charsmap() {}

    /// @return the characters that the rules remove
    /// @throws EngineException `SOURCE_UNREADABLE`, naming the file
    static BitSet check(Path file, byte[] charsmap) {
        ByteBuffer bytes = ByteBuffer.wrap(charsmap).order(ByteOrder.LITTLE_ENDIAN);
        require(charsmap.length > Integer.BYTES, file, "it ends inside its header");
        int size = bytes.getInt();
        require(
                size > 0 && size % Integer.BYTES == 0 && size < bytes.remaining(),
                file,
                "its trie of %d bytes does not fit into %d"
                        .formatted(Integer.toUnsignedLong(size), bytes.remaining()));
        IntBuffer trie =
                bytes.slice(Integer.BYTES, size).order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
        byte[] texts = new byte[bytes.remaining() - size];
        bytes.get(Integer.BYTES + size, texts);
        StrictJson.decode(texts, file + ": precompiled_charsmap");
        return checkTrie(file, trie, texts);
    }

    /// A place in the trie, and the bytes that lead to it: those of the first six, which is more
    /// than a character has.
    private record Place(int base, byte[] key) {}

    /// From the root to every place that some text can lead to.
    private static BitSet checkTrie(Path file, IntBuffer trie, byte[] texts) {
        BitSet removed = new BitSet();
        BitSet seen = new BitSet(trie.limit());
        ArrayDeque<Place> places = new ArrayDeque<>();
        places.add(new Place(base(file, trie, 0, trie.get(0)), new byte[0]));
        while (!places.isEmpty()) {
            Place place = places.remove();
            if (seen.get(place.base)) {
                continue;
            }
            seen.set(place.base);
            for (int label = 1; label < 256; label++) {
                int unit = trie.get(place.base ^ label);
                if ((unit & LABEL) == label) {
                    int next = base(file, trie, place.base ^ label, unit);
                    byte[] key = place.key;
                    if (key.length < 6) {
                        key = Arrays.copyOf(key, key.length + 1);
                        key[key.length - 1] = (byte) label;
                    }
                    if ((unit & LEAF) != 0) {
                        int index = trie.get(next) & Integer.MAX_VALUE;
                        checkText(file, index, texts);
                        if (index == texts.length - 1 || texts[index] == 0) {
                            removed.set(character(file, key));
                        }
                    }
                    places.add(new Place(next, key));
                }
            }
        }
        return removed;
    }

    /// The library loses track of texts in which more than single characters are removed.
    private static int character(Path file, byte[] key) {
        String text = new String(key, StandardCharsets.UTF_8);
        require(
                text.codePointCount(0, text.length()) == 1,
                file,
                "it removes more than a character at once");
        return text.codePointAt(0);
    }

    /// Where the children of a unit begin.
    private static int base(Path file, IntBuffer trie, int place, int unit) {
        int base = place ^ (unit >>> 10) << ((unit & 1 << 9) >>> 6);
        require(
                base >= 0 && (base | 0xff) < trie.limit(),
                file,
                "unit %d of its trie leads outside".formatted(place));
        return base;
    }

    private static void checkText(Path file, int index, byte[] texts) {
        require(
                index < texts.length && (texts[index] & 0xc0) != 0x80,
                file,
                "it names no text at %d".formatted(index));
        int characters = 0;
        for (int i = index;
                i < texts.length && texts[i] != 0 && characters <= MAX_REPLACEMENT;
                i++) {
            characters += (texts[i] & 0xc0) == 0x80 ? 0 : 1;
        }
        require(
                characters <= MAX_REPLACEMENT,
                file,
                "its text at %d has more than %d characters".formatted(index, MAX_REPLACEMENT));
    }

    private static void require(boolean holds, Path file, String message) {
        if (!holds) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, file + ": precompiled_charsmap: " + message);
        }
    }
}
