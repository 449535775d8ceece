package dev.tokenlog.engine.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The library's own `decode` of the whole is the oracle for what comes in pieces.
class StreamingDetokenizerTest {

    private static final String TEXT =
            "Größe 🦊🏽‍🚀 naïve — “日本語” e\u0301 \ud83d\udc69\u200d\ud83d\udc69\u200d\ud83d\udc66 \tend\n";

    @TempDir Path temp;

    @Test
    void bundledModelNeverSplitsACharacter() {
        check(TestFiles.root().resolve("demo-model/model"), 4096);
    }

    @Test
    void llama2NeverSplitsACharacter() throws IOException {
        check(TestMaterial.llama2Tokenizer(temp), 32000);
    }

    @Test
    void smolLm2NeverSplitsACharacter() {
        check(TestFiles.shared("smollm2/hf"), 49152);
    }

    private static void check(Path folder, int vocabulary) {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder)) {
            int[] ids = tokenizer.encode(TEXT, false);
            assertThat(ids.length).isGreaterThan(30);
            assertThat(stream(tokenizer, ids)).isEqualTo(TEXT);
            Random random = new Random(11);
            for (int round = 0; round < 500; round++) {
                int[] some =
                        random.ints(1 + random.nextInt(40), 0, vocabulary)
                                .map(id -> random.nextInt(3) > 0 ? id : ids[id % ids.length])
                                .toArray();
                checkPieces(tokenizer, some, random);
            }
        }
    }

    private static void checkPieces(ModelTokenizer tokenizer, int[] ids, Random random) {
        String whole = stream(tokenizer, ids);
        assertThat(whole.codePoints().noneMatch(c -> c >= 0xd800 && c <= 0xdfff)).isTrue();
        StreamingDetokenizer grouped = tokenizer.detokenizer();
        StringBuilder pieces = new StringBuilder();
        for (int at = 0; at < ids.length; ) {
            int end = Math.min(ids.length, at + 1 + random.nextInt(7));
            pieces.append(grouped.append(Arrays.copyOfRange(ids, at, end)));
            // Each prefix is a pure function of its ids.
            assertThat(pieces).hasToString(stream(tokenizer, Arrays.copyOf(ids, end)));
            at = end;
        }
        assertThat(pieces).hasToString(whole);
        String decoded = tokenizer.decode(ids, true);
        if (decoded.indexOf('\ufffd') < 0) {
            assertThat(whole).isEqualTo(decoded);
        } else if (!isByteFallback(tokenizer)) {
            assertThat(whole + (grouped.isInsideCharacter() ? "\ufffd" : "")).isEqualTo(decoded);
        }
        // With byte fallback the library replaces every byte of a run in which any byte is wrong,
        // which it can only know at the run's end; a stream replaces the wrong ones alone.
    }

    private static boolean isByteFallback(ModelTokenizer tokenizer) {
        return tokenizer.id("<0x0A>").isPresent();
    }

    private static String stream(ModelTokenizer tokenizer, int[] ids) {
        StreamingDetokenizer detokenizer = tokenizer.detokenizer();
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(detokenizer.append(id));
        }
        return text.toString();
    }

    @Test
    void waitsForTheLastByteOfAnEmoji() throws IOException {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(TestMaterial.llama2Tokenizer(temp))) {
            StreamingDetokenizer detokenizer = tokenizer.detokenizer();
            // U+1F98A as bytes: f0 9f a6 8a, each a token of its own.
            assertThat(detokenizer.append(byteToken(tokenizer, 0xf0))).isEmpty();
            assertThat(detokenizer.append(byteToken(tokenizer, 0x9f))).isEmpty();
            assertThat(detokenizer.append(tokenizer.id("</s>").getAsInt())).isEmpty();
            assertThat(detokenizer.append(byteToken(tokenizer, 0xa6))).isEmpty();
            assertThat(detokenizer.append(byteToken(tokenizer, 0x8a))).isEqualTo("🦊");
            assertThat(detokenizer.append(byteToken(tokenizer, 0xe2))).isEmpty();
            assertThat(detokenizer.append(tokenizer.id("▁a").getAsInt())).isEqualTo("\ufffd a");
        }
    }

    private static int byteToken(ModelTokenizer tokenizer, int value) {
        return tokenizer.id(String.format("<0x%02X>", value)).getAsInt();
    }

    @Test
    void dropsOneLeadingSpaceOfSentencePiece() throws IOException {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(TestMaterial.llama2Tokenizer(temp))) {
            StreamingDetokenizer detokenizer = tokenizer.detokenizer();
            int word = tokenizer.id("▁Hello").getAsInt();
            assertThat(detokenizer.append(word)).isEqualTo("Hello");
            assertThat(detokenizer.append(word)).isEqualTo(" Hello");
        }
    }
}
