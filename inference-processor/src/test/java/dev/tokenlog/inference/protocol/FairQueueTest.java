package dev.tokenlog.inference.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FairQueueTest {

    private final FairQueue<String> queue = new FairQueue<>();

    private String begin() {
        String next = queue.first().orElseThrow();
        queue.begin(next);
        return next;
    }

    private List<String> beginAll() {
        List<String> order = new ArrayList<>();
        while (queue.size() > 0) {
            order.add(begin());
        }
        return order;
    }

    @Test
    void oneKeyIsServedInOrder() {
        for (int i = 0; i < 5; i++) {
            queue.add("p" + i, "", 100 - i, 0);
        }
        assertThat(beginAll()).containsExactly("p0", "p1", "p2", "p3", "p4");
    }

    @Test
    void aKeyThatFloodsDoesNotKeepAnotherWaiting() {
        for (int i = 0; i < 100; i++) {
            queue.add("a" + i, "a", 50, 0);
        }
        assertThat(begin()).isEqualTo("a0");
        assertThat(begin()).isEqualTo("a1");
        queue.add("b0", "b", 50, 0);
        queue.add("b1", "b", 50, 0);
        List<String> order = beginAll();
        assertThat(order.indexOf("b0")).isLessThanOrEqualTo(2);
        assertThat(order.indexOf("b1")).isLessThanOrEqualTo(4);
    }

    @Test
    void turnsAreCountedInTokensAndNotInPrompts() {
        for (int i = 0; i < 10; i++) {
            queue.add("large" + i, "a", 1_000, 0);
        }
        for (int i = 0; i < 100; i++) {
            queue.add("small" + i, "b", 100, 0);
        }
        long a = 0;
        long b = 0;
        while (queue.size() > 0) {
            String next = begin();
            a += next.startsWith("large") ? 1_000 : 0;
            b += next.startsWith("small") ? 100 : 0;
            assertThat(Math.abs(a - b)).isLessThanOrEqualTo(1_100);
        }
    }

    @Test
    void whoComesBackHasNotSavedTurnsUp() {
        queue.add("b0", "b", 10, 0);
        for (int i = 0; i < 50; i++) {
            queue.add("a" + i, "a", 100, 0);
        }
        for (int i = 0; i < 30; i++) {
            begin();
        }
        for (int i = 1; i < 20; i++) {
            queue.add("b" + i, "b", 100, 0);
        }
        List<String> order = beginAll().subList(0, 20);
        assertThat(order).filteredOn(n -> n.startsWith("a")).hasSizeBetween(9, 11);
    }

    @Test
    void whatDidNotBeginCostsNothing() {
        for (int i = 0; i < 100; i++) {
            queue.add("a" + i, "a", 100, 0);
        }
        for (int i = 0; i < 100; i++) {
            assertThat(queue.remove("a" + i)).isTrue();
        }
        queue.add("b0", "b", 100, 0);
        queue.add("b1", "b", 100, 0);
        queue.add("a", "a", 100, 0);
        assertThat(beginAll()).containsExactly("b0", "a", "b1");
        assertThat(queue.remove("a")).isFalse();
    }

    @Test
    void aPriorityOvertakesSoManyOfItsKeyAndNoMore() {
        for (int i = 0; i < 20; i++) {
            queue.add("p" + i, "", 10, 0);
        }
        queue.add("urgent", "", 10, 1);
        queue.add("most urgent", "", 10, 1_000_000);
        List<String> order = beginAll();
        assertThat(order.getFirst()).isEqualTo("most urgent");
        assertThat(order.indexOf("urgent")).isEqualTo(21 - FairQueue.PLACES);
    }

    /// A prompt of the lowest priority among endless ones of the highest, of its own key and of
    /// another.
    @Test
    void nobodyStarvesBehindHigherPriorities() {
        queue.add("low", "a", 100, -FairQueue.MOST);
        int levels = 2 * FairQueue.MOST;
        int own = 0;
        long others = 0;
        for (int i = 0; ; i++) {
            queue.add("own" + i, "a", 100, FairQueue.MOST);
            queue.add("other" + i, "b", 100, FairQueue.MOST);
            String next = begin();
            if (next.equals("low")) {
                break;
            }
            own += next.startsWith("own") ? 1 : 0;
            others += next.startsWith("other") ? 100 : 0;
            assertThat(own).isLessThanOrEqualTo(levels * FairQueue.PLACES);
            assertThat(others)
                    .isLessThanOrEqualTo(own * 100L + levels * FairQueue.HEAD_START + 100);
        }
    }

    /// Every prompt that comes is the first of a new key.
    @Test
    void nobodyStarvesBehindEndlessNewKeys() {
        queue.add("first", "a", 100, 0);
        queue.add("second", "a", 100, 0);
        begin();
        long begun = 0;
        for (int i = 0; ; i++) {
            queue.add("new" + i, "key" + i, 10, 1);
            String next = begin();
            if (next.equals("second")) {
                break;
            }
            begun += 10;
            assertThat(begun)
                    .isLessThanOrEqualTo(
                            FairQueue.NEWCOMERS * (100L + 2 * FairQueue.HEAD_START) + 10);
        }
    }

    private record Waiting(String key, long since, Map<String, Long> before) {}

    /// The bound of the class's documentation, for every prompt of random schedules of keys that
    /// never rest.
    @Test
    void theBoundHoldsForEveryPrompt() {
        for (int seed = 0; seed < 20; seed++) {
            Random random = new Random(seed);
            FairQueue<String> fair = new FairQueue<>();
            Map<String, Long> begun = new HashMap<>();
            Map<String, Waiting> waiting = new LinkedHashMap<>();
            Map<String, Long> sizes = new HashMap<>();
            for (int i = 0; i < 2_000; i++) {
                // Always more than is served, so that each of the five keys has somebody waiting.
                for (int n = 0; n < (i < 200 ? 2 : 1); n++) {
                    String key = "k" + random.nextInt(5);
                    String name = key + "-" + i + "-" + n;
                    long size = 1 + random.nextInt(500);
                    sizes.put(name, size);
                    waiting.put(
                            name,
                            new Waiting(key, begun.getOrDefault(key, 0L), new HashMap<>(begun)));
                    fair.add(name, key, size, random.nextInt(-2, 3));
                }
                String next = fair.first().orElseThrow();
                assertThat(fair.next(1)).containsExactly(next);
                Waiting who = waiting.remove(next);
                long own = begun.getOrDefault(who.key(), 0L) - who.since();
                begun.forEach((key, tokens) -> {
                    if (!key.equals(who.key())) {
                        assertThat(tokens - who.before().getOrDefault(key, 0L))
                                .isLessThanOrEqualTo(own + 2 * 4 * FairQueue.HEAD_START + 2 * 500);
                    }
                });
                fair.begin(next);
                begun.merge(who.key(), sizes.get(next), Long::sum);
            }
        }
    }

    @Test
    void tellsTheOrderToCome() {
        Random random = new Random(3);
        for (int i = 0; i < 60; i++) {
            queue.add("p" + i, "k" + random.nextInt(4), 1 + random.nextInt(99), random.nextInt(3));
        }
        List<String> told = queue.next(100);
        assertThat(queue.next(10)).isEqualTo(told.subList(0, 10));
        assertThat(beginAll()).isEqualTo(told);
    }

    /// The answer is what happens if nobody else comes, whatever waits and however far the keys
    /// are.
    @Test
    void whatIsAheadIsWhatBeginsBefore() {
        Random random = new Random(11);
        for (int round = 0; round < 500; round++) {
            FairQueue<String> some = new FairQueue<>();
            Map<String, Long> tokens = new HashMap<>();
            for (int i = 0; i < 40; i++) {
                if (random.nextInt(3) == 0 && some.size() > 0) {
                    some.begin(some.first().orElseThrow());
                } else {
                    String item = "p" + i;
                    tokens.put(item, 1L + random.nextInt(600));
                    some.add(
                            item,
                            "key" + random.nextInt(4),
                            tokens.get(item),
                            random.nextInt(-3, 4));
                }
            }
            String key = "key" + random.nextInt(5);
            int priority = random.nextInt(-12, 13);
            long told = some.tokensAhead(key, priority);
            some.add("new", key, 100, priority);
            long begun = 0;
            for (String next = some.first().orElseThrow();
                    !next.equals("new");
                    next = some.first().orElseThrow()) {
                begun += tokens.get(next);
                some.begin(next);
            }
            assertThat(told).as("round %d", round).isEqualTo(begun);
        }
    }
}
