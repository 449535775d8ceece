package dev.tokenlog.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

class RecipeOptionsTest {

    private static RecipeOptions options(String... arguments) {
        RecipeOptions options = new RecipeOptions();
        new CommandLine(
                        CommandLine.Model.CommandSpec.wrapWithoutInspection(new Object())
                                .addMixin(
                                        "recipe",
                                        CommandLine.Model.CommandSpec.forAnnotatedObject(options)))
                .parseArgs(arguments);
        return options;
    }

    @Test
    void whoSaysNothingKeepsTheCodesOfASource() {
        assertThat(options().isUnstated()).isTrue();
    }

    /// What one option asks for may not be lost because the others were left out.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "--bits=8",
                "--code=fp4",
                "--granularity=row",
                "--group-size=64",
                "--recipe=int8-g32",
                "--calibrate=gptq",
                "--rotate=hadamard"
            })
    void anyOptionIsAStatement(String option) {
        RecipeOptions options = options(option);
        assertThat(options.isUnstated()).isFalse();
    }

    @Test
    void aRotationIsInTheRecipe() {
        assertThat(options("--rotate=hadamard:7").recipe().canonical())
                .contains("rotation=hadamard:7");
    }
}
