package dev.tokenlog.engine.evaluate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import dev.tokenlog.engine.artifact.ConversionListener;
import dev.tokenlog.engine.artifact.Converter;
import dev.tokenlog.engine.artifact.GgufExport;
import dev.tokenlog.engine.artifact.Manifest;
import dev.tokenlog.engine.artifact.NpzExport;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.format.gguf.GgufType;
import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Logits;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/// Every code the whole way: conversion, artifact, every byte verified, and a forward pass whose
/// bits are the same with every kind of kernels.
class CodeConversionTest {

    private static final int[] IDS = {1, 5, 9, 2, 7, 3, 3, 8, 4, 6};

    @TempDir Path temp;

    static List<Recipe> recipes() {
        List<Recipe> recipes = new ArrayList<>();
        for (NumberCode code : NumberCode.values()) {
            recipes.add(Recipe.of(code, 32));
            recipes.add(Recipe.of(code, Recipe.PER_ROW));
        }
        recipes.add(Recipe.parse("uint4-g64,embedding=uint4"));
        recipes.add(Recipe.parse("int2-g128-absmax"));
        recipes.add(Recipe.parse("ternary,embedding=ternary"));
        return recipes;
    }

    @ParameterizedTest
    @MethodSource("recipes")
    void sameBitsWithAllKernels(Recipe recipe) throws Exception {
        ArtifactStore store = new ArtifactStore(temp);
        Path folder;
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"));
                Artifact artifact =
                        new Converter(2)
                                .convert(source, recipe, store, new ConversionListener() {})) {
            folder = artifact.folder();
            checkManifest(artifact.manifest(), recipe);
        }
        try (Artifact artifact = Artifact.open(folder, true)) {
            float[][] expected = logits(artifact, "scalar");
            assertThat(logits(artifact, "vector")).isDeepEqualTo(expected);
            assertThat(expected[IDS.length - 1][0]).isFinite();
        }
    }

    /// What the other formats have no words for is refused by the tensor's name, or converted by
    /// request.
    @ParameterizedTest
    @EnumSource(
            names = {
                "INT1",
                "QINS8_LOG",
                "QINS9_LOG",
                "QINS8_INV",
                "QINS8_PROJ",
                "QINS4",
                "FP4",
                "UINT4"
            })
    void whatCannotBeExportedIsRefusedByName(NumberCode code) throws Exception {
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"));
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        source,
                                        Recipe.of(code),
                                        new ArtifactStore(temp.resolve("store")),
                                        new ConversionListener() {})) {
            Path gguf = temp.resolve("out.gguf");
            assertThatThrownBy(() -> GgufExport.write(artifact, gguf, Optional.empty()))
                    .isInstanceOf(EngineException.class)
                    .hasMessageContaining(".weight")
                    .hasMessageContaining(code.label());
            assertThat(GgufExport.write(artifact, gguf, Optional.of(GgufType.F32)).converted())
                    .isNotEmpty();
            if (!code.hasZeroPoints()) {
                assertThatThrownBy(() -> NpzExport.write(artifact, temp.resolve("npz")))
                        .isInstanceOf(EngineException.class)
                        .hasMessageContaining(".weight")
                        .hasMessageContaining(code.label());
            }
        }
    }

    private static void checkManifest(Manifest manifest, Recipe recipe) {
        NumberCode code = recipe.code();
        assertThat(manifest.quantization().scheme()).isEqualTo(code.label());
        assertThat(manifest.quantization().bits()).isEqualTo(code.bits());
        assertThat(manifest.quantization().symmetric()).isEqualTo(!code.hasZeroPoints());
        assertThat(manifest.quantization().formula())
                .isEqualTo(GroupCode.of(code).formula(recipe.scales()));
        assertThat(manifest.recipe().canonical()).isEqualTo(recipe.canonical());
        Manifest.Weight matrix =
                manifest.weights().stream()
                        .filter(weight -> weight.name().endsWith("q_proj.weight"))
                        .findFirst()
                        .orElseThrow();
        long rows = matrix.shape().get(0);
        int columns = matrix.shape().get(1).intValue();
        long groups = recipe.groupSize() == 0 ? 1 : Math.ceilDiv(columns, recipe.groupSize());
        assertThat(matrix.bytes())
                .isEqualTo(
                        rows
                                * (code.bytesPerRow(columns)
                                        + groups * (code.hasZeroPoints() ? 3 : 2)));
        assertThat(matrix.qZeroPoint() != null).isEqualTo(code.hasZeroPoints());
    }

    private static float[][] logits(Artifact artifact, String kernels) {
        try (CpuExecutor executor =
                CpuExecutor.open(artifact, CpuOptions.automatic().withCompute(kernels))) {
            return Logits.of(executor, IDS);
        }
    }
}
