package dev.tokenlog.engine.quantize;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SparsityTest {

    @Test
    void the_weights_of_least_magnitude_become_zero() {
        float[] row = {3, -1, 0.5f, -4, 2, 0.25f, -0.125f, 8, 7, -6};

        assertThat(new Sparsity(40).of(row)).containsExactly(3, 0, 0, -4, 2, 0, 0, 8, 7, -6);
        assertThat(row[1]).as("the row itself").isEqualTo(-1);
    }

    @Test
    void of_equals_the_first_go() {
        assertThat(new Sparsity(50).of(new float[] {1, -1, 1, 1})).containsExactly(0, 0, 1, 1);
        assertThat(new Sparsity(75).of(new float[] {2, 0, -1, 1})).containsExactly(2, 0, 0, 0);
        assertThat(new Sparsity(50).of(new float[] {0, 0, 0, 5})).containsExactly(0, 0, 0, 5);
    }

    @Test
    void less_than_a_weight_is_none() {
        float[] row = {1, 2, 3};

        assertThat(new Sparsity(33).of(row)).isSameAs(row);
        assertThat(Sparsity.NONE.of(row)).isSameAs(row);
    }
}
