package dev.tokenlog.engine.generation;

import java.util.Arrays;

/// Tokens that may come next, sorted by logit descending, then id ascending. Its arrays are made
/// once for a vocabulary.
final class Candidates {

    private static final int SMALL = 512;
    private static final int DIGIT_BITS = 11;
    private static final int DIGITS = 3;
    private static final int BUCKETS = 1 << DIGIT_BITS;

    /// Ordering keys: above, the logit as an integer that grows when the logit falls; below, the
    /// id.
    private long[] keys;

    private long[] spare;
    private final int[] counts = new int[DIGITS * BUCKETS];
    private int size;

    Candidates(int vocabularySize) {
        keys = new long[vocabularySize];
        spare = new long[vocabularySize];
    }

    int size() {
        return size;
    }

    int id(int rank) {
        return (int) keys[rank];
    }

    float logit(int rank) {
        int falling = (int) (keys[rank] >> 32);
        return Float.intBitsToFloat(mirrored(~falling));
    }

    /// Maps the bits of floats to integers of the same order, and back.
    private static int mirrored(int bits) {
        return bits ^ (bits >> 31) & 0x7fffffff;
    }

    private static long key(float logit, int id) {
        // adding +0 turns -0 to +0: they are equal logits
        int rising = mirrored(Float.floatToRawIntBits(logit + 0f));
        return (long) ~rising << 32 | id;
    }

    /// All tokens whose logit is at least `least`.
    void takeAll(float[] logits, int offset, int vocabularySize, float least) {
        size = 0;
        for (int id = 0; id < vocabularySize; id++) {
            float logit = logits[offset + id];
            if (logit >= least) {
                keys[size++] = key(logit, id);
            }
        }
        // they stand by ascending id, which the radix sort relies on
        if (size <= SMALL) {
            Arrays.sort(keys, 0, size);
        } else {
            radixSort();
        }
    }

    /// The `count` best tokens, by a heap whose root is the worst of them.
    void takeBest(float[] logits, int offset, int vocabularySize, int count) {
        size = 0;
        int id = 0;
        while (size < count) {
            keys[size++] = key(logits[offset + id], id);
            id++;
        }
        for (int i = count / 2 - 1; i >= 0; i--) {
            siftDown(i);
        }
        float worst = logit(0);
        for (; id < vocabularySize; id++) {
            // of equal logits the smaller id is better, and it is in already
            if (logits[offset + id] > worst) {
                keys[0] = key(logits[offset + id], id);
                siftDown(0);
                worst = logit(0);
            }
        }
        Arrays.sort(keys, 0, size);
    }

    private void siftDown(int from) {
        int parent = from;
        long key = keys[parent];
        while (2 * parent + 1 < size) {
            int child = 2 * parent + 1;
            if (child + 1 < size && keys[child + 1] > keys[child]) {
                child++;
            }
            if (keys[child] <= key) {
                break;
            }
            keys[parent] = keys[child];
            parent = child;
        }
        keys[parent] = key;
    }

    /// By the upper half of the keys, least digit first; stable, so that equal logits keep their
    /// order, which is that of ids.
    private void radixSort() {
        Arrays.fill(counts, 0);
        for (int i = 0; i < size; i++) {
            for (int digit = 0; digit < DIGITS; digit++) {
                counts[bucket(keys[i], digit)]++;
            }
        }
        for (int digit = 0; digit < DIGITS; digit++) {
            int start = 0;
            for (int b = digit * BUCKETS; b < (digit + 1) * BUCKETS; b++) {
                int count = counts[b];
                counts[b] = start;
                start += count;
            }
            for (int i = 0; i < size; i++) {
                spare[counts[bucket(keys[i], digit)]++] = keys[i];
            }
            long[] sorted = spare;
            spare = keys;
            keys = sorted;
        }
    }

    private static int bucket(long key, int digit) {
        int unsigned = (int) (key >>> 32) ^ 0x80000000;
        return digit * BUCKETS + (unsigned >>> digit * DIGIT_BITS & BUCKETS - 1);
    }
}
