package dev.tokenlog.engine.transformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.tokenlog.engine.compute.Kernels;
import dev.tokenlog.engine.compute.ScalarKernels;
import dev.tokenlog.engine.compute.Workspace;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ExpertRoutingTest {

    private final Kernels kernels = new ScalarKernels();
    private final Workspace workspace = new Workspace(32, 1, 32);

    private ExpertRouting route(boolean normalized, int chosen, float[]... logits) {
        ExpertRouting routing = new ExpertRouting(logits.length, 40, 12);
        routing.begin(logits.length, logits[0].length, chosen);
        for (int token = 0; token < logits.length; token++) {
            System.arraycopy(
                    logits[token], 0, routing.logits(), token * logits[0].length, logits[0].length);
            assertThat(routing.choose(token, normalized, kernels, workspace)).isTrue();
        }
        routing.group();
        return routing;
    }

    @ParameterizedTest
    @CsvSource({"true, 1", "true, 4", "true, 12", "false, 1", "false, 8", "false, 12"})
    void theLargestLogitsAreChosenWithTheSoftmaxAsWeights(boolean normalized, int chosen) {
        Random random = new Random(5);
        int experts = 12;
        float[][] logits = new float[30][experts];
        for (float[] row : logits) {
            for (int i = 0; i < experts; i++) {
                row[i] = (float) (3 * random.nextGaussian());
            }
        }

        ExpertRouting routing = route(normalized, chosen, logits);

        int found = 0;
        for (int expert = 0; expert < experts; expert++) {
            for (int index = 0; index < routing.tokens(expert); index++) {
                float[] row = logits[routing.token(expert, index)];
                List<Integer> best =
                        IntStream.range(0, experts)
                                .boxed()
                                .sorted(Comparator.comparing(i -> -row[i]))
                                .limit(chosen)
                                .toList();
                assertThat(best).contains(expert);
                List<Integer> over =
                        normalized ? best : IntStream.range(0, experts).boxed().toList();
                double sum = over.stream().mapToDouble(i -> Math.exp(row[i])).sum();
                assertThat((double) routing.weight(expert, index))
                        .isCloseTo(Math.exp(row[expert]) / sum, within(1e-6));
                found++;
            }
        }
        assertThat(found).isEqualTo(30 * chosen);
    }

    @Test
    void ofEqualLogitsTheSmallerIndexIsChosen() {
        ExpertRouting routing =
                route(
                        true,
                        2,
                        new float[] {1, 7, 7, 7},
                        new float[] {0, 0, 0, 0},
                        new float[] {-0f, 0f, -9, 2},
                        new float[] {5, 1, 5, 5});

        assertThat(chosenBy(routing, 0, 4)).containsExactly(1, 2);
        assertThat(chosenBy(routing, 1, 4)).containsExactly(0, 1);
        assertThat(chosenBy(routing, 2, 4)).containsExactly(0, 3);
        assertThat(chosenBy(routing, 3, 4)).containsExactly(0, 2);
        assertThat(routing.weight(1, 0)).isEqualTo(0.5f);
    }

    private static List<Integer> chosenBy(ExpertRouting routing, int token, int experts) {
        List<Integer> chosen = new ArrayList<>();
        for (int expert = 0; expert < experts; expert++) {
            for (int index = 0; index < routing.tokens(expert); index++) {
                if (routing.token(expert, index) == token) {
                    chosen.add(expert);
                }
            }
        }
        return chosen;
    }

    @Test
    void tokensOfAnExpertAreInAscendingOrder() {
        Random random = new Random(6);
        float[][] logits = new float[50][5];
        for (float[] row : logits) {
            for (int i = 0; i < row.length; i++) {
                row[i] = random.nextInt(3);
            }
        }

        ExpertRouting routing = route(false, 3, logits);

        for (int expert = 0; expert < 5; expert++) {
            int of = expert;
            assertThat(IntStream.range(0, routing.tokens(expert)).map(i -> routing.token(of, i)))
                    .isSorted()
                    .doesNotHaveDuplicates();
        }
    }

    @Test
    void aTokenIsRoutedAlikeInAnyCompany() {
        float[] one = {0.3f, -2, 8, 0.31f, 1};
        float[] other = {90, 80, -70, 60, 50};

        ExpertRouting alone = route(false, 2, one);
        ExpertRouting among = route(false, 2, other, one, other);

        assertThat(chosenBy(among, 1, 5)).isEqualTo(chosenBy(alone, 0, 5)).containsExactly(2, 4);
        assertThat(among.weight(2, 0)).isEqualTo(alone.weight(2, 0));
    }

    @Test
    void logitsThatAreNoNumbersAreReportedAndDisturbNoOtherToken() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1f / 0f}) {
            ExpertRouting routing = new ExpertRouting(2, 3, 2);
            routing.begin(2, 3, 2);
            float[] logits = {1, bad, 2, 1, 2, 3};
            System.arraycopy(logits, 0, routing.logits(), 0, 6);

            assertThat(routing.choose(0, true, kernels, workspace)).isFalse();
            assertThat(routing.choose(1, true, kernels, workspace)).isTrue();
            routing.group();

            assertThat(chosenBy(routing, 1, 3)).containsExactly(1, 2);
            assertThat(IntStream.range(0, 3).map(routing::tokens).sum()).isEqualTo(4);
        }
    }

    @Test
    void noTraceOfAnEarlierLayerRemains() {
        ExpertRouting routing = new ExpertRouting(4, 6, 3);
        routing.begin(4, 6, 3);
        for (int token = 0; token < 4; token++) {
            Arrays.fill(routing.logits(), token * 6, token * 6 + 6, token);
            routing.choose(token, true, kernels, workspace);
        }
        routing.group();

        routing.begin(1, 2, 1);
        routing.logits()[0] = 1;
        routing.logits()[1] = 2;
        routing.choose(0, true, kernels, workspace);
        routing.group();

        assertThat(routing.tokens(0)).isZero();
        assertThat(routing.tokens(1)).isEqualTo(1);
        assertThat(routing.token(1, 0)).isZero();
        assertThat(routing.weight(1, 0)).isEqualTo(1f);
    }
}
