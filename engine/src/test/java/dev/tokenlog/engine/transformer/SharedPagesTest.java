package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.tensor.Matrix;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Pages that sequences share, and the memory that they have together.
class SharedPagesTest {

    private static final int PAGE = KvLayout.PAGE_POSITIONS;

    private static Executor open(MemoryModel model) {
        return CpuExecutor.open(model, new CpuOptions("vector", 1, Optional.empty()));
    }

    private static Executor open() {
        return open(RandomModel.create());
    }

    private static int[] text(int seed, int length) {
        return new Random(seed).ints(length, 0, RandomModel.VOCABULARY).toArray();
    }

    /// Reads what is left of a text, whose sequence is fitted, and gives the last logits.
    private static float[] read(Executor executor, Sequence sequence, int[] text) {
        sequence.reserve(text.length);
        Batch batch = executor.newBatch(text.length, 1);
        for (int i = sequence.length(); i < text.length; i++) {
            batch.add(sequence, text[i], i, i == text.length - 1);
        }
        executor.step(batch);
        return Arrays.copyOf(batch.logits(), batch.vocabularySize());
    }

    private static float[] alone(int[] text) {
        try (Executor executor = open();
                Sequence sequence = executor.newSequence()) {
            sequence.fit(text.length);
            return read(executor, sequence, text);
        }
    }

    private static Sequence begun(Executor executor, int[] text) {
        Sequence sequence = executor.newSequence();
        sequence.fit(text.length);
        sequence.reuse(text, text.length);
        return sequence;
    }

    @Test
    void aTextGoesOnWhereAnotherBeganAlike() {
        int[] first = text(1, 3 * PAGE + 5);
        int[] second = Arrays.copyOf(first, 2 * PAGE + 10);
        second[2 * PAGE + 3]++;
        try (Executor executor = open()) {
            try (Sequence sequence = begun(executor, first)) {
                assertThat(sequence.length()).isZero();
                assertThat(read(executor, sequence, first)).isEqualTo(alone(first));
            }
            assertThat(executor.kvPages().kept()).isEqualTo(3);
            assertThat(executor.kvPages().held()).isZero();
            try (Sequence sequence = begun(executor, second);
                    Sequence neighbour = begun(executor, second)) {
                assertThat(sequence.length()).isEqualTo(2 * PAGE);
                assertThat(executor.kvPages().held()).isEqualTo(2);
                assertThat(executor.kvPages().kept()).isEqualTo(1);
                assertThat(read(executor, sequence, second)).isEqualTo(alone(second));
                assertThat(read(executor, neighbour, second)).isEqualTo(alone(second));
            }
        }
    }

    /// Its logits are wanted.
    @Test
    void theLastTokenIsAlwaysComputed() {
        int[] text = text(2, 2 * PAGE);
        try (Executor executor = open()) {
            try (Sequence sequence = begun(executor, text)) {
                read(executor, sequence, text);
            }
            assertThat(executor.kvPages().kept()).isEqualTo(2);
            try (Sequence sequence = begun(executor, text)) {
                assertThat(sequence.length()).isEqualTo(PAGE);
                assertThat(read(executor, sequence, text)).isEqualTo(alone(text));
            }
            assertThat(executor.kvPages().kept()).isEqualTo(2);
        }
    }

    /// 31 · 1 + 0 = 31 · 0 + 31.
    @Test
    void textsOfTheSameHashAreDifferentTexts() {
        int[] first = text(3, PAGE + 1);
        first[PAGE - 2] = 1;
        first[PAGE - 1] = 0;
        int[] second = first.clone();
        second[PAGE - 2] = 0;
        second[PAGE - 1] = 31;
        assertThat(Arrays.hashCode(Arrays.copyOf(first, PAGE)))
                .isEqualTo(Arrays.hashCode(Arrays.copyOf(second, PAGE)));
        try (Executor executor = open()) {
            try (Sequence sequence = begun(executor, first)) {
                read(executor, sequence, first);
            }
            try (Sequence sequence = begun(executor, second)) {
                assertThat(sequence.length()).isZero();
                assertThat(read(executor, sequence, second)).isEqualTo(alone(second));
            }
        }
    }

    /// The same tokens behind other ones have other keys and values.
    @Test
    void aPageIsFoundBehindItsOwnBeginningOnly() {
        int[] first = text(4, 2 * PAGE + 1);
        int[] second = text(5, 2 * PAGE + 1);
        System.arraycopy(first, PAGE, second, PAGE, PAGE);
        try (Executor executor = open()) {
            try (Sequence sequence = begun(executor, first)) {
                read(executor, sequence, first);
            }
            try (Sequence sequence = begun(executor, Arrays.copyOf(second, PAGE + 1))) {
                read(executor, sequence, Arrays.copyOf(second, PAGE + 1));
            }
            try (Sequence sequence = begun(executor, second)) {
                assertThat(sequence.length()).isEqualTo(PAGE);
                assertThat(read(executor, sequence, second)).isEqualTo(alone(second));
            }
        }
    }

    @Test
    void whoGoesBackIntoASharedPageGoesOnInACopy() {
        int[] text = text(6, 2 * PAGE + 2);
        int[] other = text.clone();
        other[PAGE + 7] = (other[PAGE + 7] + 1) % RandomModel.VOCABULARY;
        try (Executor executor = open();
                Sequence sequence = begun(executor, text);
                Sequence neighbour = executor.newSequence()) {
            read(executor, sequence, text);
            sequence.reuse(text, text.length); // makes its pages known
            sequence.truncate(PAGE + 7);
            Batch batch = executor.newBatch(1, 1);
            batch.add(sequence, other[PAGE + 7], PAGE + 7, true);
            assertThatThrownBy(() -> executor.step(batch))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("has not been reserved");
            assertThat(read(executor, sequence, other)).isEqualTo(alone(other));
            neighbour.fit(text.length);
            assertThat(neighbour.reuse(text, text.length)).isEqualTo(2 * PAGE);
            assertThat(read(executor, neighbour, text)).isEqualTo(alone(text));
        }
    }

    @Test
    void pagesAreSharedUnderTheSameRotaryTablesOnly() {
        int[] text = text(7, RandomModel.SHORT_TEXT + PAGE);
        int[] beginning = Arrays.copyOf(text, PAGE + 1);
        MemoryModel model = RandomModel.createUnusual();
        float[] expected;
        try (Executor executor = open(model);
                Sequence sequence = executor.newSequence()) {
            sequence.fit(text.length);
            expected = read(executor, sequence, text);
        }
        try (Executor executor = open(model);
                Sequence sequence = begun(executor, beginning)) {
            read(executor, sequence, beginning);
            // The same sequence, as a longer text: what it had is kept for short ones.
            assertThat(sequence.fit(text.length)).isZero();
            assertThat(sequence.reuse(text, text.length)).isZero();
            assertThat(read(executor, sequence, text)).isEqualTo(expected);
            try (Sequence another = begun(executor, beginning);
                    Sequence third = begun(executor, text)) {
                assertThat(another.length()).isEqualTo(PAGE);
                assertThat(third.length()).isZero();
            }
            sequence.reuse(text, text.length);
            try (Sequence fourth = begun(executor, text)) {
                assertThat(fourth.length()).isEqualTo(2 * PAGE);
                assertThat(read(executor, fourth, text)).isEqualTo(expected);
            }
        }
    }

    @Test
    void pagesOfASequenceWithANaNAreNotShared() {
        MemoryModel model = RandomModel.create();
        Matrix.Quantized embedding = (Matrix.Quantized) model.matrix("embedding");
        embedding
                .scales()
                .set(
                        ValueLayout.JAVA_SHORT_UNALIGNED,
                        2L * 7 * embedding.groupsPerRow(),
                        Float.floatToFloat16(Float.POSITIVE_INFINITY));
        int[] text = text(8, 2 * PAGE + 1);
        for (int i = 0; i < text.length; i++) {
            text[i] = text[i] == 7 ? 8 : text[i];
        }
        text[PAGE + 3] = 7;
        try (Executor executor = open(model)) {
            try (Sequence sequence = begun(executor, Arrays.copyOf(text, PAGE + 2))) {
                read(executor, sequence, Arrays.copyOf(text, PAGE + 2));
                sequence.reserve(text.length);
                read(executor, sequence, text);
                assertThat(sequence.isNonFinite()).isTrue();
            }
            try (Sequence sequence = begun(executor, text)) {
                assertThat(sequence.length()).isEqualTo(PAGE); // read before the infinity
                read(executor, sequence, text);
                assertThat(sequence.isNonFinite()).isTrue();
            }
            assertThat(executor.kvPages().kept()).isEqualTo(1);
        }
    }

    @Test
    void anotherTextThanItsOwnIsRefused() {
        int[] text = text(9, PAGE + 4);
        try (Executor executor = open();
                Sequence sequence = begun(executor, text)) {
            read(executor, sequence, text);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> sequence.reuse(text(10, 2 * PAGE), 2 * PAGE))
                    .withMessage("another text than that of the sequence");
        }
    }

    @Test
    void theLeastRecentlyUsedPageMakesRoom() {
        MemoryModel model = RandomModel.create();
        long pageBytes;
        try (Executor executor = open(model)) {
            pageBytes = executor.kvPages().pageBytes();
        }
        CpuOptions options =
                new CpuOptions("vector", 1, Optional.empty()).withKvBudget(6 * pageBytes + 1);
        int[] first = text(11, 2 * PAGE + 1);
        int[] second = text(12, 2 * PAGE + 1);
        int[] third = text(13, 3 * PAGE + 1);
        try (Executor executor = CpuExecutor.open(model, options)) {
            for (int[] text : List.of(first, second, first)) {
                try (Sequence sequence = begun(executor, text)) {
                    read(executor, sequence, text);
                }
            }
            assertThat(executor.kvPages().kept()).isEqualTo(4);
            try (Sequence sequence = begun(executor, third)) {
                read(executor, sequence, third);
            }
            assertThat(executor.kvPages().evicted()).isEqualTo(2);
            try (Sequence firstAgain = begun(executor, first);
                    Sequence secondAgain = begun(executor, second)) {
                assertThat(firstAgain.length()).isEqualTo(2 * PAGE);
                assertThat(secondAgain.length()).isZero();
                assertThat(secondAgain.makeRoom(RandomModel.CONTEXT)).isEqualTo(4 * PAGE);
                assertThatThrownBy(() -> firstAgain.reserve(2 * PAGE + 1))
                        .isInstanceOfSatisfying(
                                EngineException.class,
                                e ->
                                        assertThat(e.reason())
                                                .isEqualTo(EngineException.Reason.CONTEXT_TOO_LONG))
                        .hasMessage(
                                "65 tokens of KV cache, where tokenlog.kv.budget leaves room for"
                                        + " 64");
            }
            assertThat(executor.kvPages().held()).isZero();
        }
    }

    @Test
    void aBudgetWithoutRoomForAPageIsRefused() {
        CpuOptions options = new CpuOptions("vector", 1, Optional.empty()).withKvBudget(1000);
        assertThatThrownBy(() -> CpuExecutor.open(RandomModel.create(), options))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e ->
                                assertThat(e.reason())
                                        .isEqualTo(EngineException.Reason.PARAMETER_OUT_OF_RANGE))
                .hasMessage(
                        "tokenlog.kv.budget is 1000 bytes; one page of this model's KV cache, 32"
                                + " tokens, takes 10240");
    }

    /// A machine that has no more memory is a smaller budget, until all pages are back.
    @Test
    void memoryThatTheMachineDoesNotHaveIsNotGivenOut() {
        KvLayout layout = new KvLayout(KvType.KV16, List.of(new KvLayout.LayerShape(1, 16)));
        int[] left = {2};
        try (Arena arena = Arena.ofConfined();
                PagePool pool =
                        new PagePool(
                                layout,
                                8 * layout.pageBytes(),
                                new KvAccount(Long.MAX_VALUE),
                                (size, alignment) -> {
                                    if (left[0]-- <= 0) {
                                        throw new OutOfMemoryError("no more");
                                    }
                                    return arena.allocate(size, alignment);
                                })) {
            MemorySegment first = pool.take();
            MemorySegment second = pool.take();
            assertThat(pool.take()).isNull();
            assertThat(pool.pages().limit()).isEqualTo(2);
            assertThat(pool.pages().available()).isZero();
            pool.giveBack(second);
            assertThat(pool.take()).isSameAs(second);
            left[0] = 1;
            assertThat(pool.take()).isNull();
            pool.giveBack(first);
            pool.giveBack(second);
            assertThat(pool.take()).isNotNull();
            assertThat(pool.pages().limit()).isEqualTo(8);
            pool.take();
            assertThat(pool.take()).isNotIn(first, second, null);
            assertThat(pool.take()).isNull();
            assertThat(pool.pages().limit()).isEqualTo(3);
        }
    }
}
