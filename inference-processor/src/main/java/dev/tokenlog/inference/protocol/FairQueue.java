package dev.tokenlog.inference.protocol;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;

/// Who is next among those that wait: start-time fair queueing (Goyal, Vin, Cheng 1996) over the
/// tokens that each asks for, between keys, with a head start for a higher priority.
///
/// Each key has a position in virtual time, counted in tokens, and the key that is least far has
/// its turn. A key that had nothing to do begins where the others are: it neither saves turns up
/// nor owes any. A priority counts as if the key were [#HEAD_START] tokens per level less far;
/// among the prompts of one key it overtakes [#PLACES] earlier ones per level. Both are constant
/// while a prompt waits, and the rest advances, so nobody waits for ever.
///
/// **The bound.** Let a prompt wait behind `t` tokens of its own key, let the priorities of all
/// that wait lie within `d` levels, and let no prompt ask for more than `c` tokens. Until it has
/// its turn, each other key that waits begins at most `t + 2 * d * HEAD_START + 2 * c` tokens: one
/// `d` and `c` for what its own key had more before, one for what the other has more now. Keys that
/// come later, however many, together begin at most [#NEWCOMERS] times `t + 2 * d * HEAD_START + c`
/// tokens and a prompt: virtual time runs on by a part of every token that begins, and whoever
/// comes begins there.
final class FairQueue<T> {

    /// Tokens that a level of priority is worth between keys.
    static final int HEAD_START = 256;

    /// Earlier prompts of its own key that a prompt overtakes for each level.
    static final int PLACES = 8;

    /// Priorities beyond count as this, and below as its negative.
    static final int MOST = 10;

    /// Virtual time advances at least by a token for so many that begin.
    static final int NEWCOMERS = 64;

    private record Entry<T>(T item, String key, long tokens, int priority, long order) {

        long place() {
            return order - (long) PLACES * priority;
        }

        /// @param position of its key, when it is the first of it
        Turn turn(long position) {
            return new Turn(position - (long) HEAD_START * NEWCOMERS * priority, order);
        }

        static <T> TreeSet<Entry<T>> inOrder() {
            return new TreeSet<>(
                    Comparator.comparingLong((Entry<T> e) -> e.place())
                            .thenComparingInt(e -> -e.priority())
                            .thenComparingLong(Entry::order));
        }
    }

    private static <T> Entry<T> entry(T item, String key, long tokens, int priority, long order) {
        return new Entry<>(
                item, key, Math.max(1, tokens), Math.clamp(priority, -MOST, MOST), order);
    }

    /// The least far has it; of equals, whose prompt came first.
    private record Turn(long rank, long order) implements Comparable<Turn> {
        @Override
        public int compareTo(Turn other) {
            int byRank = Long.compare(rank, other.rank);
            return byRank != 0 ? byRank : Long.compare(order, other.order);
        }
    }

    /// In parts of a token, [#NEWCOMERS] to one.
    private static final class Flow<T> {
        final TreeSet<Entry<T>> waiting = Entry.inOrder();
        long position;

        Turn turn() {
            return waiting.getFirst().turn(position);
        }

        /// Of those that begin before this turn.
        long tokensBefore(Turn turn) {
            long tokens = 0;
            long at = position;
            for (Entry<T> each : waiting) {
                if (each.turn(at).compareTo(turn) > 0) {
                    break;
                }
                at += each.tokens() * NEWCOMERS;
                tokens += each.tokens();
            }
            return tokens;
        }

        Flow<T> copy() {
            Flow<T> copy = new Flow<>();
            copy.waiting.addAll(waiting);
            copy.position = position;
            return copy;
        }
    }

    private final Map<T, Entry<T>> entries = new LinkedHashMap<>();
    private final Map<String, Flow<T>> flows = new LinkedHashMap<>();
    private final Map<String, Long> resting = new HashMap<>();
    private long virtualTime;
    private long tokens;
    private long order;

    int size() {
        return entries.size();
    }

    /// Asked for by all that wait.
    long tokens() {
        return tokens;
    }

    /// @param key whose turn it takes
    /// @param tokens that it asks for, at least 1
    void add(T item, String key, long tokens, int priority) {
        Entry<T> entry = entry(item, key, tokens, priority, order++);
        entries.put(item, entry);
        this.tokens += entry.tokens();
        Flow<T> flow = flows.get(key);
        if (flow == null) {
            flow = new Flow<>();
            flow.position = startOf(key);
            resting.remove(key);
            flows.put(key, flow);
        }
        flow.waiting.add(entry);
    }

    /// Where a key begins that has nothing waiting.
    private long startOf(String key) {
        return Math.max(virtualTime, resting.getOrDefault(key, virtualTime));
    }

    /// @return whether it waited; the turns of its key are what they were
    boolean remove(T item) {
        Entry<T> entry = entries.remove(item);
        if (entry == null) {
            return false;
        }
        tokens -= entry.tokens();
        Flow<T> flow = flows.get(entry.key());
        flow.waiting.remove(entry);
        restIfDone(entry.key(), flow);
        return true;
    }

    /// Who has its turn now.
    Optional<T> first() {
        return first(flows).map(Map.Entry::getValue).map(f -> f.waiting.getFirst().item());
    }

    /// The first has its turn: it leaves the queue, and its key moves on.
    void begin(T item) {
        Entry<T> entry = entries.remove(item);
        Flow<T> flow = flows.get(entry.key());
        tokens -= entry.tokens();
        virtualTime =
                Math.max(virtualTime, Math.min(flow.position, flow.turn().rank())) + entry.tokens();
        flow.waiting.remove(entry);
        flow.position += entry.tokens() * NEWCOMERS;
        restIfDone(entry.key(), flow);
    }

    private void restIfDone(String key, Flow<T> flow) {
        if (!flow.waiting.isEmpty()) {
            return;
        }
        flows.remove(key);
        if (flow.position > virtualTime) {
            resting.put(key, flow.position);
        }
        if (resting.size() > 2 * flows.size() + NEWCOMERS) {
            resting.values().removeIf(position -> position <= virtualTime);
        }
    }

    /// The next so many, in the order in which they have their turns if nobody else comes.
    List<T> next(int most) {
        Map<String, Flow<T>> copies = new LinkedHashMap<>();
        flows.forEach((key, flow) -> copies.put(key, flow.copy()));
        List<T> next = new ArrayList<>();
        while (next.size() < most && !copies.isEmpty()) {
            Map.Entry<String, Flow<T>> turn = first(copies).orElseThrow();
            Flow<T> flow = turn.getValue();
            Entry<T> entry = flow.waiting.removeFirst();
            next.add(entry.item());
            flow.position += entry.tokens() * NEWCOMERS;
            if (flow.waiting.isEmpty()) {
                copies.remove(turn.getKey());
            }
        }
        return next;
    }

    /// The tokens that would begin before one that came now, if nobody else came after it: of the
    /// whole queue only what has its turn earlier.
    long tokensAhead(String key, int priority) {
        Entry<T> newcomer = entry(null, key, 1, priority, order);
        Flow<T> own = flows.get(key);
        Flow<T> until = own == null ? new Flow<>() : own.copy();
        until.position = own == null ? startOf(key) : own.position;
        until.waiting.add(newcomer);
        // The turns are a merge by heads: what stands behind one of a larger rank waits for it.
        Turn last = new Turn(Long.MIN_VALUE, 0);
        long ahead = 0;
        long position = until.position;
        for (Entry<T> each : until.waiting) {
            Turn turn = each.turn(position);
            last = turn.compareTo(last) > 0 ? turn : last;
            if (each == newcomer) {
                break;
            }
            position += each.tokens() * NEWCOMERS;
            ahead += each.tokens();
        }
        for (Flow<T> other : flows.values()) {
            if (other != own) {
                ahead += other.tokensBefore(last);
            }
        }
        return ahead;
    }

    private static <T> Optional<Map.Entry<String, Flow<T>>> first(Map<String, Flow<T>> flows) {
        return flows.entrySet().stream().min(Comparator.comparing(e -> e.getValue().turn()));
    }
}
