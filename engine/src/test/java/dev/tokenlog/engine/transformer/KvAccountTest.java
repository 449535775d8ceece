package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.compute.KvLayout;
import dev.tokenlog.engine.compute.KvType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/// Several models in a process: what each keeps for texts to come has to fit beside the others.
class KvAccountTest {

    private final KvLayout layout =
            new KvLayout(KvType.KV16, List.of(new KvLayout.LayerShape(1, 16)));
    private final KvAccount account = new KvAccount(3 * layout.pageBytes());

    private PagePool pool(int pages) {
        return new PagePool(layout, pages * layout.pageBytes(), account, null);
    }

    /// A text of a page that has ended.
    private static void keep(PagePool pool, int first) {
        MemorySegment memory = pool.take();
        int[] text = IntStream.range(first, first + KvLayout.PAGE_POSITIONS).toArray();
        pool.known().release(pool.known().publish(List.of(), null, text, 0, memory));
    }

    private static long allocated(PagePool pool) {
        return pool.pages().held() + pool.pages().kept();
    }

    @Test
    void what_is_kept_gives_way_where_all_have_much_together() {
        try (PagePool one = pool(3);
                PagePool other = pool(3)) {
            keep(one, 0);
            keep(one, 1000);
            keep(other, 0);

            keep(other, 1000);
            keep(one, 2000);

            assertThat(allocated(one)).isEqualTo(2);
            assertThat(one.pages().evicted()).isEqualTo(1);
            assertThat(allocated(other)).isEqualTo(1);
            assertThat(other.pages().evicted()).isEqualTo(1);
        }
    }

    @Test
    void what_a_sequence_needs_it_gets_up_to_the_budget_of_its_model() {
        try (PagePool one = pool(3);
                PagePool other = pool(3)) {
            keep(one, 0);
            keep(one, 1000);
            keep(one, 2000);

            for (int i = 0; i < 3; i++) {
                assertThat(other.take()).isNotNull();
            }
            assertThat(other.take()).isNull();
            assertThat(other.pages().held()).isEqualTo(3);
        }
    }

    @Test
    void a_model_that_is_closed_leaves_its_room() {
        try (PagePool one = pool(3)) {
            try (PagePool other = pool(3)) {
                keep(other, 0);
                keep(other, 1000);
                keep(one, 0);
                keep(one, 1000);
                assertThat(allocated(one)).isEqualTo(1);
            }
            keep(one, 2000);
            keep(one, 3000);

            assertThat(allocated(one)).isEqualTo(3);
        }
    }

    @Test
    void a_budget_that_an_operator_has_made_larger_counts() {
        try (PagePool pool = pool(5)) {
            IntStream.range(0, 6).forEach(text -> keep(pool, 1000 * text));

            assertThat(allocated(pool)).isEqualTo(5);
        }
    }
}
