package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.generation.GenerationListener.TokenLogProbability;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SamplerTest {

    /// Probabilities 0.4, 0.3, 0.2, 0.1 for ids 2, 0, 3, 1.
    private static final double[] PROBABILITIES = {0.3, 0.1, 0.4, 0.2};

    private static final float[] LOGITS = logits(PROBABILITIES);

    private static float[] logits(double... probabilities) {
        float[] logits = new float[probabilities.length];
        for (int i = 0; i < logits.length; i++) {
            logits[i] = (float) Math.log(probabilities[i]);
        }
        return logits;
    }

    private static SamplingParameters with(
            double temperature, int topK, double topP, double minP, long seed) {
        return new SamplingParameters(temperature, topK, topP, minP, 1, 0, 0, seed);
    }

    @Test
    void drawsFromTheModelsDistribution() {
        checkDistribution(with(1, 0, 1, 0, 42), 0.3, 0.1, 0.4, 0.2);
    }

    @Test
    void temperatureSharpensAndFlattens() {
        // p² and √p, normalized
        checkDistribution(with(0.5, 0, 1, 0, 1), 0.09 / 0.3, 0.01 / 0.3, 0.16 / 0.3, 0.04 / 0.3);
        double sum = Math.sqrt(0.3) + Math.sqrt(0.1) + Math.sqrt(0.4) + Math.sqrt(0.2);
        checkDistribution(
                with(2, 0, 1, 0, 1),
                Math.sqrt(0.3) / sum,
                Math.sqrt(0.1) / sum,
                Math.sqrt(0.4) / sum,
                Math.sqrt(0.2) / sum);
    }

    @Test
    void topKKeepsTheBest() {
        checkDistribution(with(1, 2, 1, 0, 3), 3 / 7.0, 0, 4 / 7.0, 0);
        checkDistribution(with(1, 1, 1, 0, 3), 0, 0, 1, 0);
        checkDistribution(with(1, 99, 1, 0, 3), 0.3, 0.1, 0.4, 0.2);
    }

    @Test
    void topPKeepsTheCandidateThatCrosses() {
        checkDistribution(with(1, 0, 0.5, 0, 4), 3 / 7.0, 0, 4 / 7.0, 0);
        checkDistribution(with(1, 0, 0.69, 0, 4), 3 / 7.0, 0, 4 / 7.0, 0);
        checkDistribution(with(1, 0, 0.71, 0, 4), 3 / 9.0, 0, 4 / 9.0, 2 / 9.0);
        checkDistribution(with(1, 0, 1e-9, 0, 4), 0, 0, 1, 0);
        // of what top-k leaves: 0.4 is 4/7 of it
        checkDistribution(with(1, 2, 0.5, 0, 4), 0, 0, 1, 0);
    }

    @Test
    void minPIsRelativeToTheBest() {
        checkDistribution(with(1, 0, 1, 0.3, 5), 3 / 9.0, 0, 4 / 9.0, 2 / 9.0);
        checkDistribution(with(1, 0, 1, 0.7, 5), 3 / 7.0, 0, 4 / 7.0, 0);
        checkDistribution(with(1, 0, 1, 1, 5), 0, 0, 1, 0);
        checkDistribution(with(1, 0, 0.71, 0.7, 5), 3 / 7.0, 0, 4 / 7.0, 0);
    }

    /// Pearson's test: with at most 3 degrees of freedom, 16.3 is passed by chance once in a
    /// thousand; the seeds are fixed, so chance has been here already.
    private static void checkDistribution(SamplingParameters parameters, double... expected) {
        Sampler sampler = new Sampler(expected.length);
        int draws = 20_000;
        int[] counts = new int[expected.length];
        for (int n = 0; n < draws; n++) {
            counts[sampler.sample(LOGITS, 0, parameters, null, n, 0)]++;
        }
        double chiSquare = 0;
        for (int i = 0; i < expected.length; i++) {
            if (expected[i] == 0) {
                assertThat(counts[i]).as("id %s is excluded", i).isZero();
            } else {
                double mean = draws * expected[i];
                chiSquare += (counts[i] - mean) * (counts[i] - mean) / mean;
            }
        }
        assertThat(chiSquare).isLessThan(16.3);
    }

    @Test
    void temperatureZeroTakesTheFirstOfEquals() {
        Sampler sampler = new Sampler(5);
        float[] logits = {-1, 3, 2, 3, -0f};
        assertThat(sampler.sample(logits, 0, SamplingParameters.greedy(), null, 0, 0)).isEqualTo(1);
        float[] zeros = {-0f, 0f, -0f, 0f, -0f};
        assertThat(sampler.sample(zeros, 0, with(1, 1, 1, 0, 1), null, 0, 0)).isZero();
        assertThat(sampler.sample(zeros, 0, with(1e-300, 0, 1, 0, 1), null, 0, 0)).isBetween(0, 4);
        assertThat(sampler.sample(logits, 0, with(1e-300, 0, 1, 0, 1), null, 0, 0)).isIn(1, 3);
    }

    @Test
    void penaltiesFollowTheirFormulas() {
        SeenTokens seen = new SeenTokens(6);
        seen.prompt(new int[] {0, 1, 1});
        seen.output(1);
        seen.output(2);
        seen.output(2);
        float[] logits = {2, 4, -1, -3, 0.5f, 1};
        seen.penalize(logits, new SamplingParameters(0, 0, 1, 0, 2, 0.25, 0.5, 0));
        // 0: prompt only, 4 = 4/2 - 0.25 - 0.5, -1 = -1*2 - 0.25 - 2*0.5
        assertThat(logits).containsExactly(1, 1.25f, -3.25f, -3, 0.5f, 1);
    }

    @Test
    void leavesTheModelsLogitsAlone() {
        SeenTokens seen = new SeenTokens(4);
        seen.output(2);
        float[] logits = LOGITS.clone();
        Sampler sampler = new Sampler(4);
        SamplingParameters harsh = new SamplingParameters(0, 0, 1, 0, 1, 2, 0, 0);
        assertThat(sampler.sample(logits, 0, harsh, seen, 0, 0)).isZero();
        assertThat(logits).containsExactly(LOGITS);
    }

    /// Against a plain statement of the rules that sorts everything.
    @Test
    void shortcutsChangeNoToken() {
        Random random = new Random(3);
        for (int round = 0; round < 400; round++) {
            int size = 2 + random.nextInt(random.nextBoolean() ? 20 : 3000);
            Sampler sampler = new Sampler(size);
            float spread = random.nextFloat() * 30;
            float[] row = new float[size + 3];
            for (int i = 3; i < row.length; i++) {
                // coarse steps, so that there are equals
                row[i] = Math.round(random.nextGaussian() * spread * 4) / 4f;
            }
            SamplingParameters parameters =
                    with(
                            random.nextInt(5) == 0 ? 2 : 0.01 + random.nextDouble(),
                            random.nextBoolean() ? 0 : 1 + random.nextInt(size + 2),
                            random.nextBoolean() ? 1 : 0.01 + 0.98 * random.nextDouble(),
                            random.nextBoolean() ? 0 : random.nextDouble(),
                            random.nextLong());
            for (int n = 0; n < 5; n++) {
                assertThat(sampler.sample(row, 3, parameters, null, n, 0))
                        .as("%s of %s", parameters, size)
                        .isEqualTo(plainly(row, 3, size, parameters, n));
            }
        }
    }

    private static int plainly(
            float[] logits, int offset, int size, SamplingParameters p, int index) {
        List<Integer> ids = new ArrayList<>(IntStream.range(0, size).boxed().toList());
        ids.sort(
                Comparator.comparing((Integer id) -> -(double) (logits[offset + id] + 0f))
                        .thenComparing(id -> id));
        if (p.topK() > 0 && p.topK() < size) {
            ids = ids.subList(0, p.topK());
        }
        double[] weights = new double[ids.size()];
        double sum = 0;
        for (int i = 0; i < weights.length; i++) {
            double difference =
                    (double) logits[offset + ids.get(i)] - (double) logits[offset + ids.getFirst()];
            weights[i] = StrictMath.exp(difference / p.temperature());
            sum += weights[i];
        }
        int kept = weights.length;
        if (p.topP() < 1) {
            double running = 0;
            for (kept = 0; running < p.topP() * sum; kept++) {
                running += weights[kept];
            }
        }
        double total = 0;
        List<Integer> left = new ArrayList<>();
        for (int i = 0; i < kept; i++) {
            if (weights[i] >= p.minP()) {
                left.add(i);
                total += weights[i];
            }
        }
        double running = 0;
        for (int i : left) {
            running += weights[i];
            if (running > Philox.uniform(p.seed(), index, 0) * total) {
                return ids.get(i);
            }
        }
        throw new AssertionError("no candidate");
    }

    @Test
    void logProbabilitiesAreTheModelsOwn() {
        LogProbabilities logProbabilities = new LogProbabilities(4);
        TokenLogProbability own = logProbabilities.of(LOGITS, 0, 3, 0);
        assertThat(own.logprob()).isCloseTo(Math.log(0.2), within(1e-7));
        assertThat(own.alternativeIds()).isEmpty();
        TokenLogProbability more = logProbabilities.of(LOGITS, 0, 1, 3);
        assertThat(more.alternativeIds()).containsExactly(2, 0, 3);
        assertThat(more.alternativeLogprobs()[0]).isCloseTo(Math.log(0.4), within(1e-7));
        assertThat(logProbabilities.of(LOGITS, 0, 1, 20).alternativeIds()).hasSize(4);
    }

    @ParameterizedTest
    @CsvSource({
        "temperature,        -0.1, 0, 1, 0, 1, 0, 0",
        "temperature,         2.1, 0, 1, 0, 1, 0, 0",
        "temperature,         NaN, 0, 1, 0, 1, 0, 0",
        "top_k,                1, -1, 1, 0, 1, 0, 0",
        "top_p,                1,  0, 0, 0, 1, 0, 0",
        "top_p,                1,  0, 1.1, 0, 1, 0, 0",
        "min_p,                1,  0, 1, -0.1, 1, 0, 0",
        "min_p,                1,  0, 1, 1.5, 1, 0, 0",
        "repetition_penalty,   1,  0, 1, 0, 0, 0, 0",
        "repetition_penalty,   1,  0, 1, 0, Infinity, 0, 0",
        "presence_penalty,     1,  0, 1, 0, 1, 3, 0",
        "frequency_penalty,    1,  0, 1, 0, 1, 0, -3",
    })
    void refusesWhatIsOutOfRange(
            String field,
            double temperature,
            int topK,
            double topP,
            double minP,
            double repetition,
            double presence,
            double frequency) {
        SamplingParameters parameters =
                new SamplingParameters(
                        temperature, topK, topP, minP, repetition, presence, frequency, 1);
        assertThatExceptionOfType(EngineException.class)
                .isThrownBy(parameters::checked)
                .withMessageStartingWith(field + " is ")
                .satisfies(e ->
                        assertThat(e.reason())
                                .isEqualTo(EngineException.Reason.PARAMETER_OUT_OF_RANGE));
    }
}
