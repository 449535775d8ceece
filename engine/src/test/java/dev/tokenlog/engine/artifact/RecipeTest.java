package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.tensor.NumberCode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class RecipeTest {

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "int4 | int4-g32-absmax",
                "int8 | int8-g32-lsq",
                "int4-g128 | int4-g128-absmax",
                "int8-row | int8-row-lsq",
                "int4-g64-absmax,embedding=int4 | int4-g64-absmax,embedding=int4",
                "int4,embedding=int8 | int4-g32-absmax",
                "int8,embedding=int4 | int8-g32-lsq,embedding=int4",
                "int8-g64-absmax | int8-g64-absmax",
                "int4-lsq | int4-g32-lsq",
                "int4,lossy-sparsity=30 | int4-g32-absmax,lossy-sparsity=30",
                "int4,rotation=hadamard,lossy-sparsity=5 | int4-g32-absmax,rotation=hadamard:0,lossy-sparsity=5"
            })
    void every_recipe_has_one_line(String text, String canonical) {
        Recipe recipe = Recipe.parse(text);

        assertThat(recipe.canonical()).isEqualTo(canonical);
        assertThat(Recipe.parse(canonical)).isEqualTo(recipe);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "int3",
                "int4-g33",
                "int4-g0",
                "int4-g999999",
                "int4-g32-gptq",
                "int4 ",
                "g32",
                "int4,embedding=none",
                "int4,lossy-sparsity=0",
                "int4,lossy-sparsity=96",
                "int1,lossy-sparsity=10",
                "int4,lossy-sparsity=10,calibration=gptq:1:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
            })
    void what_the_encoder_does_not_do_is_refused(String text) {
        assertThatThrownBy(() -> Recipe.parse(text)).isInstanceOf(EngineException.class);
    }

    @Test
    void at_four_bits_embedding_and_head_have_eight() {
        assertThat(Recipe.of(NumberCode.INT4).embeddingCode()).isEqualTo(NumberCode.INT8);
    }

    @Test
    void a_calibration_is_part_of_the_line() {
        String text = "0123456789abcdef".repeat(4);
        for (String canonical :
                new String[] {
                    "int4-g32-lsq,calibration=gptq:8192:" + text,
                    "int4-g64-lsq,calibration=gptq:512:3.5:" + text,
                    "uint2-g32-absmax,calibration=gptq:8192:" + text
                }) {
            assertThat(Recipe.parse(canonical).canonical()).isEqualTo(canonical);
            assertThat(Recipe.parse(canonical).calibration().text()).isEqualTo(text);
        }
        for (String wrong :
                new String[] {"gptq", "gptq:0:" + text, "magic:1:" + text, "gptq:1:9.5:" + text}) {
            assertThatThrownBy(() -> Recipe.parse("int4,calibration=" + wrong))
                    .isInstanceOf(EngineException.class);
        }
    }
}
