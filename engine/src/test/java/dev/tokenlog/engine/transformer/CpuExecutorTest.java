package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CpuExecutorTest {

    private static final int SEQUENCES = 5;

    /// Whatever shares a step with a token, however prompts are cut, however many threads compute:
    /// its logits are those of a lone scalar run, to the bit.
    @ParameterizedTest
    @CsvSource({
        "kv8, scalar, 1",
        "kv8, vector, 2",
        "usual, scalar, 1",
        "usual, scalar, 3",
        "usual, vector, 1",
        "usual, vector, 2",
        "usual, vector, 4",
        "unusual, scalar, 2",
        "unusual, vector, 1",
        "unusual, vector, 3",
        "mixture, scalar, 3",
        "mixture, vector, 1",
        "mixture, vector, 4"
    })
    void anyMixGivesTheBitsOfALoneScalarRun(String kind, String compute, int threads) {
        Random random = new Random();
        long seed = random.nextLong();
        random.setSeed(seed);
        Optional<KvType> kv = kind.equals("kv8") ? Optional.of(KvType.KV8) : Optional.empty();
        MemoryModel model = model(kv.isPresent() ? "usual" : kind);
        List<int[]> texts = texts(random);
        List<float[][]> expected = new ArrayList<>();
        try (Executor lone = CpuExecutor.open(model, new CpuOptions("scalar", 1, kv))) {
            for (int[] text : texts) {
                expected.add(oneByOne(lone, text));
            }
        }
        CpuOptions options = new CpuOptions(compute, threads, kv, 24);
        try (Executor executor = CpuExecutor.open(model, options)) {
            assertThat(executor.numericsId())
                    .isEqualTo(kv.isPresent() ? "cpu-2/kv8" : "cpu-2/kv16");
            List<Sequence> sequences = new ArrayList<>();
            for (int[] text : texts) {
                sequences.add(executor.newSequence());
                sequences.getLast().fit(text.length);
                sequences.getLast().reserve(text.length);
            }
            Batch batch = executor.newBatch(61, 61);
            while (anyLeft(sequences, texts)) {
                fill(batch, sequences, texts, random);
                executor.step(batch);
                for (int i = 0; i < batch.size(); i++) {
                    if (batch.logitRow(i) >= 0) {
                        int which = sequences.indexOf(batch.sequence(i));
                        assertThat(row(batch, batch.logitRow(i)))
                                .describedAs(
                                        "seed %d, sequence %d, position %d",
                                        seed, which, batch.position(i))
                                .isEqualTo(expected.get(which)[batch.position(i)]);
                    }
                }
            }
            assertThat(sequences).noneMatch(Sequence::isNonFinite);
            sequences.forEach(Sequence::close);
        }
    }

    @Test
    void truncatedSequenceGoesOnAsIfNothingHadFollowed() {
        int[] text = {3, 1, 4, 1, 5, 9, 2, 6};
        try (Executor executor = open("vector")) {
            float[] expected = oneByOne(executor, text)[7];
            try (Sequence sequence = executor.newSequence()) {
                sequence.reserve(12);
                Batch batch = executor.newBatch(12, 1);
                for (int i = 0; i < 12; i++) {
                    batch.add(sequence, i < 5 ? text[i] : 80, i, false);
                }
                executor.step(batch);

                sequence.truncate(5);
                batch.clear();
                for (int i = 5; i < 8; i++) {
                    batch.add(sequence, text[i], i, i == 7);
                }
                executor.step(batch);

                assertThat(row(batch, 0)).isEqualTo(expected);
                assertThat(sequence.length()).isEqualTo(8);
            }
        }
    }

    /// The logits after n tokens are those of reading the n tokens, whatever had been read before.
    @Test
    void aTextThatOutgrowsItsRotaryFactorsIsReadAgain() {
        int[] text = new Random(5).ints(60, 0, RandomModel.VOCABULARY).toArray();
        try (Executor executor = CpuExecutor.open(RandomModel.createUnusual(), options("vector"));
                Sequence sequence = executor.newSequence()) {
            Batch batch = executor.newBatch(text.length, 1);
            int read = 0;
            int readAgain = 0;
            for (int length = 30; length <= 50; length++) {
                int cached = sequence.fit(length);
                readAgain += cached < read ? 1 : 0;
                sequence.reserve(length);
                batch.clear();
                for (int i = cached; i < length; i++) {
                    batch.add(sequence, text[i], i, i == length - 1);
                }
                executor.step(batch);
                read = length;

                float[] whole = oneByOne(executor, Arrays.copyOf(text, length))[length - 1];
                assertThat(row(batch, 0)).describedAs("%d tokens", length).isEqualTo(whole);
            }
            assertThat(readAgain).isEqualTo(1);
        }
    }

    @Test
    void aTokenBeyondWhatTheSequenceWasFittedForIsRefused() {
        try (Executor executor = CpuExecutor.open(RandomModel.createUnusual(), options("vector"));
                Sequence sequence = executor.newSequence()) {
            int tokens = RandomModel.SHORT_TEXT + 1;
            sequence.reserve(tokens);
            Batch batch = executor.newBatch(tokens, 1);
            for (int i = 0; i < tokens; i++) {
                batch.add(sequence, 1, i, false);
            }
            assertThatThrownBy(() -> executor.step(batch))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("has not been fitted");
        }
    }

    /// A soft cap would hide an infinite score.
    @Test
    void anInfiniteQueryUnderASoftCapIsFound() {
        MemoryModel model = RandomModel.createUnusual();
        float[] bias = model.vector("0.qkv.bias").clone();
        bias[3] = Float.POSITIVE_INFINITY;
        model.put("0.qkv.bias", bias);
        model.put("0.query_norm", new float[RandomModel.HEAD_SIZE]);
        try (Executor executor = CpuExecutor.open(model, options("vector"));
                Sequence sequence = executor.newSequence()) {
            sequence.reserve(1);
            Batch batch = executor.newBatch(1, 1);
            batch.add(sequence, 1, 0, true);
            executor.step(batch);
            assertThat(sequence.isNonFinite()).isTrue();
        }
    }

    @Test
    void usedPagesAreGivenOutAgainAndChangeNothing() {
        int[] text = {7, 7, 3, 20, 5};
        try (Executor executor = open("vector")) {
            float[][] first = oneByOne(executor, text);
            oneByOne(executor, new int[] {1, 2, 3, 4, 5, 6, 7, 8, 9});
            assertThat(oneByOne(executor, text)).isEqualTo(first);
        }
    }

    @ParameterizedTest
    @CsvSource({"scalar, false", "vector, false", "scalar, true", "vector, true"})
    void aNonFiniteSequenceLeavesItsNeighboursAlone(String compute, boolean mixture) {
        MemoryModel model = RandomModel.create(mixture);
        // Token 7 has an infinite embedding.
        Matrix.Quantized embedding = (Matrix.Quantized) model.matrix("embedding");
        long scale = 2L * 7 * embedding.groupsPerRow();
        try (Executor executor = CpuExecutor.open(model, options(compute))) {
            float[] expected = oneByOne(executor, new int[] {5, 6})[1];
            embedding
                    .scales()
                    .set(
                            ValueLayout.JAVA_SHORT_UNALIGNED,
                            scale,
                            Float.floatToFloat16(Float.POSITIVE_INFINITY));
            try (Sequence good = executor.newSequence();
                    Sequence bad = executor.newSequence()) {
                good.reserve(2);
                bad.reserve(2);
                Batch batch = executor.newBatch(4, 2);
                batch.add(bad, 5, 0, false);
                batch.add(bad, 7, 1, true);
                batch.add(good, 5, 0, false);
                int row = batch.add(good, 6, 1, true);
                executor.step(batch);

                assertThat(bad.isNonFinite()).isTrue();
                assertThat(good.isNonFinite()).isFalse();
                assertThat(row(batch, row)).isEqualTo(expected);
            }
        }
    }

    @Test
    void badCallsAreRefusedBeforeAnythingIsComputed() {
        try (Executor executor = open("vector");
                Executor other = open("vector")) {
            Batch batch = executor.newBatch(2, 1);
            try (Sequence sequence = executor.newSequence();
                    Sequence foreign = other.newSequence()) {
                sequence.reserve(1);
                batch.add(sequence, RandomModel.VOCABULARY, 0, false);
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> executor.step(batch))
                        .withMessageContaining("vocabulary of 83");
                batch.clear();
                batch.add(sequence, 1, 1, false);
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> executor.step(batch))
                        .withMessageContaining("position 1 where 0 comes next");
                batch.clear();
                batch.add(foreign, 1, 0, false);
                assertThatIllegalArgumentException()
                        .isThrownBy(() -> executor.step(batch))
                        .withMessageContaining("another executor");
                batch.clear();
                Sequence unreserved = executor.newSequence();
                batch.add(unreserved, 1, 0, false);
                assertThatThrownBy(() -> executor.step(batch))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining("has not been reserved");
                assertThat(sequence.length()).isZero();
                assertThatThrownBy(() -> sequence.reserve(RandomModel.CONTEXT + 1))
                        .isInstanceOf(EngineException.class)
                        .hasMessage("201 tokens in a context of 200");
            }
        }
    }

    @Test
    void aTensorOfAnotherShapeIsNamed() {
        MemoryModel model = RandomModel.create();
        model.put("final_norm", new float[3]);
        assertThatThrownBy(() -> CpuExecutor.open(model, options("scalar")))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("tensor final_norm: expected shape [76], found [3]");
    }

    @ParameterizedTest
    @CsvSource({
        "usual, scalar, 1",
        "usual, scalar, 3",
        "usual, vector, 2",
        "unusual, scalar, 2",
        "unusual, vector, 2",
        "mixture, scalar, 2",
        "mixture, vector, 3"
    })
    void stepsAllocateNothing(String kind, String compute, int threads) throws Exception {
        assertThat(compute.equals("vector") ? alone(kind, threads) : fewest(kind, compute, threads))
                .isZero();
    }

    private static long fewest(String kind, String compute, int threads) {
        MemoryModel model = model(kind);
        CpuOptions options = new CpuOptions(compute, threads, Optional.empty());
        return StepAllocations.fewest(() -> CpuExecutor.open(model, options), threads);
    }

    /// In a process of its own, as a worker is: whether vectors stay objects depends on all that
    /// the compiler has seen, and here it has seen other tests.
    private static long alone(String kind, int threads) throws Exception {
        Process process =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--add-modules=jdk.incubator.vector",
                                "-cp",
                                System.getProperty("java.class.path"),
                                Alone.class.getName(),
                                kind,
                                "vector",
                                Integer.toString(threads))
                        .redirectError(ProcessBuilder.Redirect.INHERIT)
                        .start();
        String fewest = process.inputReader().readLine();
        assertThat(process.waitFor()).isZero();
        return Long.parseLong(fewest);
    }

    static final class Alone {
        public static void main(String[] arguments) {
            System.out.println(fewest(arguments[0], arguments[1], Integer.parseInt(arguments[2])));
            System.exit(0);
        }
    }

    private static MemoryModel model(String kind) {
        return switch (kind) {
            case "usual" -> RandomModel.create();
            case "mixture" -> RandomModel.create(true);
            case "unusual" -> RandomModel.createUnusual();
            default -> throw new IllegalArgumentException(kind);
        };
    }

    private static Executor open(String compute) {
        return CpuExecutor.open(RandomModel.create(), options(compute));
    }

    private static CpuOptions options(String compute) {
        return new CpuOptions(compute, 2, Optional.empty());
    }

    private static List<int[]> texts(Random random) {
        List<int[]> texts = new ArrayList<>();
        for (int i = 0; i < SEQUENCES; i++) {
            texts.add(random.ints(1 + random.nextInt(90), 0, RandomModel.VOCABULARY).toArray());
        }
        return texts;
    }

    private static float[][] oneByOne(Executor executor, int[] text) {
        float[][] logits = new float[text.length][];
        Batch batch = executor.newBatch(1, 1);
        try (Sequence sequence = executor.newSequence()) {
            sequence.fit(text.length);
            sequence.reserve(text.length);
            for (int i = 0; i < text.length; i++) {
                batch.clear();
                batch.add(sequence, text[i], i, true);
                executor.step(batch);
                logits[i] = row(batch, 0);
            }
        }
        return logits;
    }

    private static boolean anyLeft(List<Sequence> sequences, List<int[]> texts) {
        for (int i = 0; i < sequences.size(); i++) {
            if (sequences.get(i).length() < texts.get(i).length) {
                return true;
            }
        }
        return false;
    }

    /// Some of the sequences, in any order, with one or many of their next tokens each.
    private static void fill(
            Batch batch, List<Sequence> sequences, List<int[]> texts, Random random) {
        batch.clear();
        int start = random.nextInt(SEQUENCES);
        for (int k = 0; k < SEQUENCES; k++) {
            int which = (start + k) % SEQUENCES;
            int at = sequences.get(which).length();
            int left = texts.get(which).length - at;
            int wanted =
                    switch (random.nextInt(4)) {
                        case 0 -> 0;
                        case 1 -> 1;
                        case 2 -> random.nextInt(8);
                        default -> random.nextInt(60);
                    };
            int count = Math.min(Math.min(left, wanted), batch.maxTokens() - batch.size());
            for (int i = at; i < at + count; i++) {
                batch.add(sequences.get(which), texts.get(which)[i], i, random.nextBoolean());
            }
        }
    }

    private static float[] row(Batch batch, int row) {
        int size = batch.vocabularySize();
        return java.util.Arrays.copyOfRange(batch.logits(), row * size, (row + 1) * size);
    }
}
