package dev.tokenlog.benchmarks;

import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.StreamingDetokenizer;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/// How fast a tokenizer makes ids of text, and text of ids, in one thread; and what the streaming
/// detokenizer allocates for a token. Time is that of the thread, so that what else runs on the
/// machine does not count.
///
/// `TokenizerBenchmark TEXT FOLDER…`: UTF-8 text, which is repeated to the sizes that are measured,
/// and folders with a tokenizer.
public final class TokenizerBenchmark {

    private static final int[] SIZES = {1 << 10, 1 << 14, 1 << 17, 1 << 20};
    private static final double SECONDS = 3;

    private TokenizerBenchmark() {}

    public static void main(String[] arguments) throws IOException {
        String text = Files.readString(Path.of(arguments[0]));
        for (int i = 1; i < arguments.length; i++) {
            try (ModelTokenizer tokenizer = ModelTokenizer.open(Path.of(arguments[i]))) {
                System.out.printf("%s: %d tokens%n", arguments[i], tokenizer.vocabularySize());
                for (int size : SIZES) {
                    encode(tokenizer, text, size);
                }
                decode(tokenizer, tokenizer.encode(ofSize(text, 1 << 17), false));
            }
        }
    }

    private static String ofSize(String text, int bytes) {
        StringBuilder repeated = new StringBuilder();
        int size = text.getBytes(StandardCharsets.UTF_8).length;
        for (int i = 0; i <= bytes / size; i++) {
            repeated.append(text);
        }
        return repeated.substring(0, Math.min(repeated.length(), bytes));
    }

    private static void encode(ModelTokenizer tokenizer, String text, int size) {
        String input = ofSize(text, size);
        int bytes = input.getBytes(StandardCharsets.UTF_8).length;
        long begin = now();
        long rounds = 0;
        int tokens = 0;
        double best = Double.MAX_VALUE;
        while (now() - begin < SECONDS * 1e9 || rounds < 3) {
            long start = now();
            tokens = tokenizer.encode(input, false).length;
            best = Math.min(best, now() - start);
            rounds++;
        }
        double mean = (double) (now() - begin) / rounds;
        print(
                "encode %,d bytes to %,d tokens",
                bytes / mean * 1e3, bytes / best * 1e3, bytes, tokens);
    }

    private static void decode(ModelTokenizer tokenizer, int[] ids) {
        int bytes = 0;
        long allocatedFirst = 0;
        long allocatedLast = 0;
        long begin = now();
        StreamingDetokenizer detokenizer = tokenizer.detokenizer();
        for (int i = 0; i < 20 * ids.length; i++) {
            if (i == 10 * ids.length) {
                allocatedFirst = allocated();
            } else if (i == 11 * ids.length) {
                allocatedFirst = allocated() - allocatedFirst;
            } else if (i == 19 * ids.length) {
                allocatedLast = allocated();
            }
            bytes += detokenizer.append(ids[i % ids.length]).length();
        }
        allocatedLast = allocated() - allocatedLast;
        double rate = bytes * 1e3 / (now() - begin);
        print("stream %,d tokens", rate, rate, 20 * ids.length);
        System.out.printf(
                Locale.ROOT,
                "    bytes allocated for a token: %.1f in the middle, %.1f at the end%n",
                (double) allocatedFirst / ids.length,
                (double) allocatedLast / ids.length);
    }

    private static void print(String what, double mean, double best, Object... values) {
        System.out.printf(
                Locale.ROOT,
                "  %-45s %8.2f MB/s, best %8.2f%n",
                String.format(Locale.ROOT, what, values),
                mean,
                best);
    }

    private static long now() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    private static long allocated() {
        com.sun.management.ThreadMXBean threads =
                (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        return threads.getCurrentThreadAllocatedBytes();
    }
}
