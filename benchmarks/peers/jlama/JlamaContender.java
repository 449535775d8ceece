import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.safetensors.SafeTensorSupport;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.KvBufferCache;
import com.github.tjake.jlama.tensor.KvBufferCache.KvBuffer;
import com.github.tjake.jlama.tensor.operations.TensorOperationsProvider;
import com.github.tjake.jlama.util.PhysicalCoreExecutor;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Path;
import java.util.Optional;

/// Jlama, with 4-bit weights and 8-bit activations; see compare.py for what is said on which side.
///
/// `JlamaContender MODEL THREADS PROMPT`, or `JlamaContender quantize SOURCE OUT` for Jlama's own
/// quantization of a folder. It decodes one sequence at a time.
final class JlamaContender {

    private final AbstractModel model;
    private final KvBufferCache caches;
    private final int before;
    private KvBuffer decoding;

    private JlamaContender(AbstractModel model, int before) {
        this.model = model;
        this.caches = new KvBufferCache(model);
        this.before = before;
    }

    public static void main(String[] arguments) throws IOException {
        if (arguments[0].equals("quantize")) {
            SafeTensorSupport.quantizeModel(
                    Path.of(arguments[1]),
                    DType.Q4,
                    new String[0],
                    new String[0],
                    Optional.of(Path.of(arguments[2])));
            return;
        }
        PhysicalCoreExecutor.overrideThreadCount(Integer.parseInt(arguments[1]));
        long begin = System.nanoTime();
        AbstractModel model = ModelSupport.loadModel(new File(arguments[0]), DType.F32, DType.I8);
        JlamaContender contender = new JlamaContender(model, Integer.parseInt(arguments[2]));
        contender.warmUp();
        say(
                """
                {"name": "Jlama", "version": "jlama-core %s", "system": "%s", "load_seconds": %s}"""
                        .formatted(
                                System.getProperty("jlama.version"),
                                TensorOperationsProvider.get().name(),
                                (System.nanoTime() - begin) / 1e9));
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            String[] words = line.strip().split(" +");
            int number = Integer.parseInt(words[1]);
            double rate =
                    switch (words[0]) {
                        case "prompt" -> contender.prompt(number);
                        case "decode" -> contender.decode(number, Integer.parseInt(words[2]));
                        default -> throw new IllegalArgumentException(line);
                    };
            say("{\"rate\": %s}".formatted(Double.isNaN(rate) ? "null" : "" + rate));
        }
    }

    private static void say(String json) {
        System.out.println("@" + json);
        System.out.flush();
    }

    /// For the compilers.
    private void warmUp() {
        for (int i = 0; i < 4; i++) {
            prompt(64);
            decode(1, 8);
        }
    }

    private int token(int position) {
        return position * 7919 % model.getConfig().vocabularySize;
    }

    private int[] tokens(int count) {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++) {
            ids[i] = token(i);
        }
        return ids;
    }

    private double prompt(int count) {
        try (KvBuffer cache = caches.getEphemeralKvBuffer()) {
            long begin = System.nanoTime();
            prefill(cache, count);
            return count / ((System.nanoTime() - begin) / 1e9);
        }
    }

    /// A prompt and the logits of its last token.
    private void prefill(KvBuffer cache, int count) {
        try (AbstractTensor last = model.batchForward(tokens(count), 0, cache);
                AbstractTensor logits = model.makeDenseTensor(model.getConfig().vocabularySize)) {
            model.sample(last.slice(last.shape().first() - 1), 0f, 0f, logits);
        }
    }

    private double decode(int sequences, int steps) {
        if (sequences != 1) {
            return Double.NaN;
        }
        if (decoding == null) {
            decoding = caches.getEphemeralKvBuffer();
            prefill(decoding, before);
        }
        try (AbstractTensor logits = model.makeDenseTensor(model.getConfig().vocabularySize)) {
            long begin = System.nanoTime();
            for (int i = 0; i < steps; i++) {
                try (AbstractTensor hidden =
                        model.forward(token(before + i), before + i, decoding, Optional.empty())) {
                    model.sample(hidden, 0f, 0f, logits);
                }
            }
            return steps / ((System.nanoTime() - begin) / 1e9);
        }
    }
}
