package dev.tokenlog.engine.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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

    /// After each token the stream has given what `decode` gives for the tokens so far. Only where
    /// the tokens end inside a character it is behind: `decode` has U+FFFD there, and with byte
    /// fallback in place of whole characters before it, too.
    @ParameterizedTest
    @ValueSource(strings = {"bpe-llama", "bpe-gemma", "bpe-rules", "unigram-nfkc", "unigram-bytes"})
    void equalsTheWholeAtEveryCut(String name) throws IOException {
        Path folder = TestFiles.resource("tokenizers/" + name);
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder)) {
            for (JsonNode c : TestMaterial.json(folder.resolve("cases.json")).path("texts")) {
                checkEveryCut(tokenizer, BundledTokenizerTest.ids(c.path("ids")));
            }
        }
    }

    @Test
    void equalsTheWholeAtEveryCutOfPublishedTexts() throws IOException {
        for (String folder : new String[] {"llama2-tokenizer", "gpt2-tokenizer"}) {
            Path cases = TestFiles.shared("llama2-tokenizer").resolve("swift-vectors.json");
            try (ModelTokenizer tokenizer = ModelTokenizer.open(TestFiles.shared(folder))) {
                checkEveryCut(tokenizer, tokenizer.encode(TEXT, true));
                for (JsonNode c : TestMaterial.json(cases).path("cases")) {
                    String text = c.path("input").textValue();
                    checkEveryCut(tokenizer, tokenizer.encode(text, true));
                }
                Random random = new Random(19);
                for (int round = 0; round < 200; round++) {
                    String text = RandomTexts.next(random).replace("\ud800", "");
                    checkEveryCut(tokenizer, tokenizer.encode(text, true));
                }
            }
        }
    }

    private static void checkEveryCut(ModelTokenizer tokenizer, int[] ids) {
        StreamingDetokenizer detokenizer = tokenizer.detokenizer();
        StringBuilder streamed = new StringBuilder();
        String complete = "";
        for (int cut = 1; cut <= ids.length; cut++) {
            streamed.append(detokenizer.append(ids[cut - 1]));
            if (detokenizer.isInsideCharacter()) {
                assertThat(streamed.toString()).startsWith(complete).doesNotContain("\ufffd");
            } else {
                complete = tokenizer.decode(Arrays.copyOf(ids, cut), true);
                assertThat(streamed).hasToString(complete);
            }
        }
        assertThat(detokenizer.isInsideCharacter()).isFalse();
    }

    @Test
    void allocatesNothingThatGrowsWithTheAnswer() {
        try (ModelTokenizer tokenizer = ModelTokenizer.open(TestFiles.demoModel())) {
            int[] ids = tokenizer.encode(TEXT.repeat(20), false);
            StreamingDetokenizer detokenizer = tokenizer.detokenizer();
            for (int warmUp = 0; warmUp < 20; warmUp++) {
                detokenizer.append(ids);
            }
            long first = allocation(detokenizer, ids);
            for (int round = 0; round < 200; round++) {
                for (int id : ids) {
                    detokenizer.append(id);
                }
            }
            // The same tokens again, after 200 times as many.
            assertThat(allocation(detokenizer, ids)).isLessThanOrEqualTo(first + first / 10);
        }
    }

    private static long allocation(StreamingDetokenizer detokenizer, int[] ids) {
        com.sun.management.ThreadMXBean threads =
                (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        for (int id : ids) {
            detokenizer.append(id);
        }
        return threads.getCurrentThreadAllocatedBytes() - before;
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
