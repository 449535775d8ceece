package dev.tokenlog.engine.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Tokenizers that would take down the process, give other ids each time, or never end, if the
/// library saw them.
@Timeout(value = 20, unit = TimeUnit.SECONDS)
class HostileTokenizersTest {

    @TempDir Path temp;

    /// `field | value | reason | message`, put into a tokenizer that is fine without it.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "model.vocab | {'a':0,'b':0} | SOURCE_UNREADABLE | model.vocab: 'a' and 'b' have the id 0",
                "model.vocab | {'a':0,'b':-1} | SOURCE_UNREADABLE | the id -1 of 'b' is out of range",
                "model.vocab | {'a':0,'b':1.5} | SOURCE_UNREADABLE | the id of 'b' is no integer",
                "model.vocab | [['a',0],['',1]] | SOURCE_UNREADABLE | token 1 is 0 characters long",
                "model.vocab | 7 | SOURCE_UNREADABLE | model.vocab: expected an object or a list",
                "model.vocab | [['a',0],['a',-1]] | SOURCE_UNREADABLE | 'a' stands there twice",
                "model.vocab | [['a',0],['b',1e999]] | SOURCE_UNREADABLE | 'b' has no finite score",
                "model.vocab | [['a',0],['b','x']] | SOURCE_UNREADABLE | 'b' has no finite score",
                "model.vocab | [['a',0],7] | SOURCE_UNREADABLE | is no pair of text and score",
                "model.type | 'WordPiece' | UNSUPPORTED | model.type 'WordPiece'",
                "model.dropout | 0.5 | UNSUPPORTED | model.dropout '0.5'",
                "model.continuing_subword_prefix | '##' | UNSUPPORTED | model.continuing_subword_prefix '##'",
                "model.junk | [0,0] | UNSUPPORTED | model.junk 'no plain value' is not supported",
                "model.merges | 5 | SOURCE_UNREADABLE | model.merges: expected a list",
                "model.merges | [['a','b','c']] | SOURCE_UNREADABLE | entry 0 is not two texts",
                "model.merges | [{'a':1}] | SOURCE_UNREADABLE | entry 0 is no text",
                "model.merges | ['a z'] | SOURCE_UNREADABLE | Token `z` out of vocabulary",
                "added_tokens | [{'id':77,'content':'<x>'}] | SOURCE_UNREADABLE | '<x>' has the id 77, the next one that is free is 4",
                "added_tokens | [{'id':1,'content':'a'}] | SOURCE_UNREADABLE | 'a' has the id 1, in the vocabulary it has 0",
                "added_tokens | [{'id':4,'content':''}] | SOURCE_UNREADABLE | token 4 is 0 characters long",
                "added_tokens | [{'id':4,'content':'\u200b '}] | SOURCE_UNREADABLE | is normalized to nothing",
                "added_tokens | {} | SOURCE_UNREADABLE | added_tokens: expected a list",
                "normalizer | {'type':'Magic'} | UNSUPPORTED | normalizer 'Magic' is not supported",
                "normalizer | {'type':'Sequence','normalizers':[{'type':'Magic'}]} | UNSUPPORTED | normalizer.normalizers[0] 'Magic'",
                "normalizer | {'type':'Replace','pattern':{'String':''},'content':'x'} | SOURCE_UNREADABLE | normalizer.pattern.String: is empty",
                "normalizer | {'type':'Precompiled','precompiled_charsmap':'!!!'} | SOURCE_UNREADABLE | precompiled_charsmap",
                "normalizer | {'type':'Precompiled','precompiled_charsmap':''} | SOURCE_UNREADABLE | precompiled_charsmap",
                "normalizer | {'type':'Precompiled','precompiled_charsmap':'CAAAAGFhYWFiYmJieHg='} | SOURCE_UNREADABLE | precompiled_charsmap: unit 0 of its trie leads outside",
                "pre_tokenizer | {'type':'FixedLength','length':0} | UNSUPPORTED | pre_tokenizer 'FixedLength'",
                "pre_tokenizer | {'type':'Metaspace','replacement':''} | SOURCE_UNREADABLE | pre_tokenizer.replacement",
                "post_processor | {'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'<s>','type_id':0}},{'Sequence':{'id':'A','type_id':0}}],'pair':[],'special_tokens':{}} | SOURCE_UNREADABLE | '<s>' is not among special_tokens",
                "post_processor | {'type':'RobertaProcessing','sep':['a',4000000000],'cls':['a',0]} | SOURCE_UNREADABLE | post_processor.sep",
                "decoder | {'type':'BPEDecoder'} | UNSUPPORTED | decoder 'BPEDecoder'",
            })
    void areRefusedByFileAndField(String field, String value, Reason reason, String message)
            throws IOException {
        ObjectNode tokenizer = plain();
        ObjectNode target = tokenizer;
        String name = field;
        if (field.startsWith("model.")) {
            target = (ObjectNode) tokenizer.path("model");
            name = field.substring("model.".length());
        }
        if (message.contains("normalized to nothing")) {
            tokenizer
                    .putObject("normalizer")
                    .put("type", "Strip")
                    .put("strip_left", true)
                    .put("strip_right", true);
        }
        target.set(name, TestMaterial.JSON.readTree(value.replace('\'', '"')));
        refused(tokenizer, reason, message);
    }

    @Test
    void aPlainOneIsNot() throws IOException {
        write(plain());
        try (ModelTokenizer tokenizer = ModelTokenizer.open(temp)) {
            assertThat(tokenizer.encode("abc", true)).containsExactly(2, 3);
        }
    }

    @Test
    void anEmptyTokenOfBytePairsIsHarmless() throws IOException {
        ObjectNode tokenizer = plain();
        ((ObjectNode) tokenizer.path("model").path("vocab")).put("", 4);
        write(tokenizer);
        try (ModelTokenizer opened = ModelTokenizer.open(temp)) {
            assertThat(opened.encode("abc", true)).containsExactly(2, 3);
            assertThat(opened.decode(new int[] {2, 4, 3}, true)).isEqualTo("abc");
            assertThat(opened.detokenizer().append(new int[] {2, 4, 3})).isEqualTo("abc");
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "(",
                "a)",
                "[a",
                "^(a+)+$",
                "(a|a|b)*c",
                "a*a*b",
                "a{1,1000}a{1,1000}b",
                "(?<x>a\\g<x>?b)",
                "(a)\\1",
                "(?~a)",
                "a**",
                "\\",
                "(?:(?:(?:(?:(?:(?:(?:(?:(?:(?:(?:(?:(?:(?:(?:(?:(?:a)))))))))))))))))",
            })
    void expressionsThatCannotBeTrustedAreRefused(String expression) throws IOException {
        ObjectNode tokenizer = plain();
        split(tokenizer, expression);
        refused(tokenizer, Reason.UNSUPPORTED, "pre_tokenizer.pattern.Regex");
        assertThatIllegalArgumentException().isThrownBy(() -> SafeExpression.check(expression));
    }

    /// GPT-2, cl100k and Llama 3, Qwen 2, o200k, Tekken, DeepSeek, Falcon, and some forms between.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
                "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "[^\\r\\n\\p{L}\\p{N}]?((?=[\\p{L}])([^a-z]))*((?=[\\p{L}])([^A-Z]))+",
                "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
                "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                "[0-9][0-9][0-9]",
                "\\p{N}{1,3}(?=(?:\\p{N}{3})*\\b)",
                "[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+",
            })
    void expressionsOfModelsAreKnown(String expression) {
        boolean repeatsGroups = expression.contains("))*") || expression.contains(")*\\b");
        if (repeatsGroups) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> SafeExpression.check(expression))
                    .withMessageContaining("a repeated group");
        } else {
            assertThatCode(() -> SafeExpression.check(expression)).doesNotThrowAnyException();
        }
    }

    @Test
    void replacementsThatGrowWithoutMeasureAreRefused() throws IOException {
        ObjectNode tokenizer = plain();
        ObjectNode normalizer = tokenizer.putObject("normalizer").put("type", "Sequence");
        ArrayNode steps = normalizer.putArray("normalizers");
        for (int i = 0; i < 30; i++) {
            ObjectNode step = steps.addObject().put("type", "Replace").put("content", "aa");
            step.putObject("pattern").put("String", "a");
        }
        refused(tokenizer, Reason.SOURCE_UNREADABLE, "grow without measure");
    }

    @Test
    void deepJsonIsRefused() throws IOException {
        Files.writeString(temp.resolve("tokenizer.json"), "{\"x\":" + "[".repeat(1_000_000));
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> ModelTokenizer.open(temp))
                .withMessageContaining("tokenizer.json")
                .withMessageContaining("nesting depth");
    }

    @Test
    void aMillionMergesAreRefusedWithinASecond() throws IOException {
        ObjectNode tokenizer = plain();
        ArrayNode merges = ((ObjectNode) tokenizer.path("model")).putArray("merges");
        for (int i = 0; i < 1_000_000; i++) {
            merges.add("a b");
        }
        write(tokenizer);
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        long begin = threads.getCurrentThreadCpuTime();
        refused(null, Reason.SOURCE_UNREADABLE, "model.merges: more than 800000");
        assertThat(Duration.ofNanos(threads.getCurrentThreadCpuTime() - begin))
                .isLessThan(Duration.ofSeconds(1));
    }

    /// The library would take 350 bytes of memory for each byte: 7 GB for 20 MB were seen.
    @Test
    void piecesOfUnigramThatWouldFillTheMemoryAreRefused() throws IOException {
        ObjectNode tokenizer = plain();
        ObjectNode model = ((ObjectNode) tokenizer.path("model")).put("type", "Unigram");
        model.remove("merges");
        ArrayNode pieces = model.put("unk_id", 0).putArray("vocab");
        pieces.addArray().add("<unk>").add(0);
        for (int i = 0; i < 1100; i++) {
            pieces.addArray().add(i + "é".repeat(2000)).add(-1);
        }
        refused(tokenizer, Reason.SOURCE_UNREADABLE, "model.vocab: more than 4194304 bytes");
    }

    @Test
    void addedTokensThatWouldFillTheMemoryAreRefused() throws IOException {
        ObjectNode tokenizer = plain();
        ArrayNode added = tokenizer.putArray("added_tokens");
        for (int i = 0; i < 1100; i++) {
            added.addObject().put("id", 4 + i).put("content", i + "x".repeat(4000));
        }
        refused(tokenizer, Reason.SOURCE_UNREADABLE, "added_tokens: more than 4194304 characters");
    }

    @Test
    void tooManyAddedTokensAreRefused() throws IOException {
        ObjectNode tokenizer = plain();
        ArrayNode added = tokenizer.putArray("added_tokens");
        for (int i = 0; i < 131_073; i++) {
            added.addObject().put("id", 4 + i).put("content", "<" + i + ">");
        }
        refused(tokenizer, Reason.SOURCE_UNREADABLE, "added_tokens: more than 131072");
    }

    /// Each of these, in a file of some kilobytes, took gigabytes for a text of a few characters.
    @ParameterizedTest
    @CsvSource({
        "normalizer, normalizers, ByteLevel, 6",
        "pre_tokenizer, pretokenizers, ByteLevel, 6",
        "normalizer, normalizers, NFKD, 3",
        "normalizer, normalizers, NFC, 4"
    })
    void stepsThatGrowTogetherAreRefused(String section, String list, String type, int steps)
            throws IOException {
        ObjectNode tokenizer = plain();
        ArrayNode all = tokenizer.putObject(section).put("type", "Sequence").putArray(list);
        for (int i = 0; i < steps - 1; i++) {
            step(all, type);
        }
        write(tokenizer);
        assertThatCode(() -> ModelTokenizer.open(temp).close()).doesNotThrowAnyException();

        step(all, type);
        refused(tokenizer, Reason.SOURCE_UNREADABLE, "grow without measure");
    }

    private static void step(ArrayNode steps, String type) {
        ObjectNode step = steps.addObject().put("type", type);
        if (type.equals("ByteLevel")) {
            step.put("add_prefix_space", false).put("trim_offsets", true).put("use_regex", false);
        }
    }

    @Test
    void aCharacterThatBecomesALongTextIsRefused() throws IOException {
        ObjectNode tokenizer = plain();
        ObjectNode normalizer = tokenizer.putObject("normalizer").put("type", "Precompiled");
        normalizer.put("precompiled_charsmap", charsmap(18));
        write(tokenizer);
        assertThatCode(() -> ModelTokenizer.open(temp).close()).doesNotThrowAnyException();

        normalizer.put("precompiled_charsmap", charsmap(19));
        refused(tokenizer, Reason.SOURCE_UNREADABLE, "its text at 0 has more than 18 characters");
    }

    /// 'a' becomes so many letters: the root's children are at 256, and the value of the one for
    /// 'a' as well.
    private static byte[] charsmap(int letters) {
        int[] trie = new int[512];
        int leaf = 256 ^ 'a';
        trie[0] = 256 << 10;
        trie[leaf] = (leaf ^ 256) << 10 | 1 << 8 | 'a';
        trie[256] = 1 << 31;
        ByteBuffer bytes =
                ByteBuffer.allocate(4 + 4 * trie.length + letters + 1)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putInt(4 * trie.length);
        for (int unit : trie) {
            bytes.putInt(unit);
        }
        return bytes.put("x".repeat(letters).getBytes(StandardCharsets.US_ASCII)).array();
    }

    @Test
    void textThatIsPutBeforeEachPieceIsLimited() throws IOException {
        ObjectNode tokenizer = plain();
        ArrayNode all =
                tokenizer.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
        for (int i = 0; i < 2; i++) {
            all.addObject().put("type", "Prepend").put("prepend", "123456789");
        }
        refused(tokenizer, Reason.SOURCE_UNREADABLE, "more than 16 characters in all");
    }

    @Test
    void aTemplateThatRepeatsATokenWithoutMeasureIsRefused() throws IOException {
        ObjectNode tokenizer = plain();
        ObjectNode template =
                tokenizer.putObject("post_processor").put("type", "TemplateProcessing");
        for (String field : new String[] {"single", "pair"}) {
            ArrayNode parts = template.putArray(field);
            parts.addObject().putObject("SpecialToken").put("id", "a").put("type_id", 0);
            parts.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        }
        ((ArrayNode) template.path("pair"))
                .addObject()
                .putObject("Sequence")
                .put("id", "B")
                .put("type_id", 0);
        ObjectNode special = template.putObject("special_tokens").putObject("a").put("id", "a");
        ArrayNode ids = special.putArray("ids");
        ArrayNode tokens = special.putArray("tokens");
        for (int i = 0; i < 64; i++) {
            ids.add(0);
            tokens.add("a");
        }
        write(tokenizer);
        assertThatCode(() -> ModelTokenizer.open(temp).close()).doesNotThrowAnyException();

        ids.add(0);
        tokens.add("a");
        refused(tokenizer, Reason.SOURCE_UNREADABLE, "more than 64 ids");
    }

    @Test
    void aVocabularyThatWouldFillTheMemoryIsRefused() throws IOException {
        ObjectNode tokenizer = plain();
        ObjectNode vocabulary = ((ObjectNode) tokenizer.path("model")).putObject("vocab");
        String tail = "x".repeat(4000);
        for (int i = 0; i < 17_000; i++) {
            vocabulary.put(i + tail, i);
        }
        refused(tokenizer, Reason.SOURCE_UNREADABLE, "more than 67108864 characters of tokens");
    }

    /// Any byte of a SentencePiece model may be wrong.
    @ParameterizedTest
    @ValueSource(strings = {"bpe-gemma", "bpe-rules", "unigram-bytes"})
    void damagedSentencePieceModelsAreRefusedOrRun(String name) throws IOException {
        byte[] model =
                Files.readAllBytes(
                        TestFiles.resource("tokenizers/" + name).resolve("tokenizer.model"));
        Random random = new Random(31);
        int refused = 0;
        for (int round = 0; round < 60; round++) {
            byte[] damaged = model.clone();
            for (int i = random.nextInt(4); i >= 0; i--) {
                damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
            }
            if (round % 3 == 0) {
                damaged = java.util.Arrays.copyOf(damaged, random.nextInt(damaged.length));
            }
            Files.write(temp.resolve("tokenizer.model"), damaged);
            try (ModelTokenizer tokenizer = ModelTokenizer.open(temp)) {
                tokenizer.encode(RandomTexts.next(random), true);
            } catch (EngineException e) {
                assertThat(e).hasMessageContaining("tokenizer.model");
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(10);
    }

    @Test
    void aCharsmapThatIsDamagedIsRefusedOrRuns() throws IOException {
        Path folder = TestFiles.resource("tokenizers/bpe-rules");
        ObjectNode tokenizer =
                (ObjectNode) TestMaterial.JSON.readTree(TokenizerSource.read(folder).json());
        byte[] charsmap =
                tokenizer.at("/normalizer/normalizers/0/precompiled_charsmap").binaryValue();
        assertThat(charsmap.length).isGreaterThan(1000);
        Random random = new Random(37);
        int refused = 0;
        for (int round = 0; round < 200; round++) {
            byte[] damaged = charsmap.clone();
            damaged[random.nextInt(damaged.length)] = (byte) random.nextInt(256);
            ((ObjectNode) tokenizer.at("/normalizer/normalizers/0"))
                    .put("precompiled_charsmap", damaged);
            write(tokenizer);
            try (ModelTokenizer opened = ModelTokenizer.open(temp)) {
                opened.encode("A\u0308BCä ß\u3000" + RandomTexts.next(random), true);
            } catch (EngineException e) {
                assertThat(e).hasMessageContaining("precompiled_charsmap");
                refused++;
            }
        }
        assertThat(refused).isGreaterThan(5);
    }

    private static void split(ObjectNode tokenizer, String expression) {
        ObjectNode split = tokenizer.putObject("pre_tokenizer").put("type", "Split");
        split.putObject("pattern").put("Regex", expression);
        split.put("behavior", "Isolated").put("invert", false);
    }

    private static ObjectNode plain() throws IOException {
        return (ObjectNode)
                TestMaterial.JSON.readTree(
                        """
                        {"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
                        "normalizer":null,"pre_tokenizer":null,"post_processor":null,
                        "decoder":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
                        "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"c":3},"merges":["a b"]}}\
                        """);
    }

    private void write(JsonNode tokenizer) throws IOException {
        Files.write(temp.resolve("tokenizer.json"), TestMaterial.JSON.writeValueAsBytes(tokenizer));
    }

    private void refused(ObjectNode tokenizer, Reason reason, String message) throws IOException {
        if (tokenizer != null) {
            write(tokenizer);
        }
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(() -> ModelTokenizer.open(temp))
                .withMessageContaining("tokenizer.json")
                .withMessageContaining(message)
                .satisfies(e -> assertThat(e.reason()).isEqualTo(reason));
    }
}
