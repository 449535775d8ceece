package dev.tokenlog.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class HadamardRotationTest {

    /// Powers of two, Paley's matrices of both kinds, and hidden sizes of known models.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 12, 20, 24, 28, 36, 48, 60, 64, 96, 256, 576, 640, 896, 960, 1152})
    void rotations_keep_lengths_and_angles_and_spread_every_number(int size) {
        HadamardRotation rotation = HadamardRotation.of(size, 42).orElseThrow();
        double[][] rows = new double[size][size];
        for (int i = 0; i < size; i++) {
            rows[i][i] = 1;
            rotation.apply(rows[i], 0);
            for (double value : rows[i]) {
                assertThat(Math.abs(value)).isCloseTo(1 / Math.sqrt(size), within(1e-12));
            }
        }
        for (int i = 0; i < size; i += Math.max(1, size / 40)) {
            for (int j = 0; j < size; j++) {
                double product = 0;
                for (int k = 0; k < size; k++) {
                    product += rows[i][k] * rows[j][k];
                }
                assertThat(product).isCloseTo(i == j ? 1 : 0, within(1e-12));
            }
        }
    }

    @Test
    void the_seed_decides() {
        assertThat(ones(7)).isEqualTo(ones(7)).isNotEqualTo(ones(8));
    }

    private static double[] ones(long seed) {
        double[] x = new double[64];
        Arrays.fill(x, 1);
        HadamardRotation.of(64, seed).orElseThrow().apply(x, 0);
        return x;
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 3, 6, 10, 14})
    void orders_without_a_hadamard_matrix_have_no_rotation(int size) {
        assertThat(HadamardRotation.of(size, 1)).isEmpty();
    }
}
