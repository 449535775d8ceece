package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.quantize.Dequantizer;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// From a GGUF file to an artifact: what is taken over, what is decoded, and what the manifest
/// says.
class GgufConversionTest {

    private static final String EMBEDDING = "model.embed_tokens.weight";
    private static final String HEAD = "lm_head.weight";

    @TempDir Path temp;

    /// Of the tensors in the layers (`layers`), of the embedding and of the head.
    @ParameterizedTest
    @CsvSource({
        "llama.q8_0, int8, true, true, true",
        "llama.q8_0, int8-g64, false, false, false",
        "llama.q8_0, int8-row, false, false, false",
        "llama.q8_0, int4, false, true, true",
        "llama.q4_0, int4, true, true, true",
        "llama.q4_0, int8, true, true, true",
        "llama.q4_0, 'int4,embedding=int4', true, true, false",
        "llama-k.q4_k_m, int8, false, false, false"
    })
    void codesAreTakenOverWhereTheCodeHoldsThem(
            String name, String recipe, boolean layers, boolean embedding, boolean head) {
        try (SourceModel source = SourceModel.open(file(name));
                Artifact artifact = convert(source, recipe, 2)) {
            for (Manifest.Weight weight : artifact.manifest().weights()) {
                boolean expected =
                        switch (weight.name()) {
                            case EMBEDDING -> embedding;
                            case HEAD -> head;
                            default -> layers && weight.shape().size() == 2;
                        };
                assertThat(weight.takenOver()).describedAs(weight.name()).isEqualTo(expected);
                assertThat(weight.sourceDtype()).isEqualTo(source.tensor(weight.name()).type());
                if (expected) {
                    assertThat(Dequantizer.all(artifact.matrix(weight.name())))
                            .describedAs(weight.name())
                            .isEqualTo(Dequantizer.all(source.matrix(weight.name())));
                    assertThat(weight.errors().relativeL2()).isZero();
                    assertThat(weight.errors().max()).isZero();
                } else if (weight.shape().size() == 2) {
                    assertThat(weight.errors().relativeL2()).isBetween(1e-6, 0.2);
                } else {
                    assertThat(artifact.vector(weight.name()))
                            .isEqualTo(source.vector(weight.name()));
                }
            }
        }
    }

    /// The rows of query and key stand in another order in the file.
    @Test
    void takenCodesAreTheBytesOfTheFile() {
        try (SourceModel source = SourceModel.open(file("llama.q8_0"));
                Artifact artifact = convert(source, "int8", 1)) {
            Set<Byte> codes = Set.of((byte) 127, (byte) -127); // each block of Q8_0 has its extreme
            byte[] stored =
                    ((dev.tokenlog.engine.tensor.Matrix.Quantized)
                                    artifact.matrix("model.layers.0.self_attn.q_proj.weight"))
                            .codes()
                            .toArray(java.lang.foreign.ValueLayout.JAVA_BYTE);
            for (int block = 0; block < stored.length; block += 32) {
                boolean extreme = false;
                for (int i = block; i < block + 32; i++) {
                    extreme |= codes.contains(stored[i]);
                }
                assertThat(extreme).describedAs("block %d", block / 32).isTrue();
            }
        }
    }

    @Test
    void theArtifactIsTheSameOnAnyNumberOfThreadsAndNamesTheFile() {
        try (SourceModel source = SourceModel.open(file("llama.q4_0"));
                Artifact one = convert(source, "int4", 1);
                Artifact three = convert(source, "int4", 3)) {
            assertThat(one.digest()).isEqualTo(three.digest());
            assertThat(one.manifestSha256()).isEqualTo(three.manifestSha256());
            Manifest manifest = one.manifest();
            assertThat(manifest.source().repository()).isEqualTo("llama.q4_0");
            assertThat(manifest.source().files()).containsExactly(Digests.file(file("llama.q4_0")));
            assertThat(manifest.source().dtype()).isEqualTo("Q4_0");
            assertThat(manifest.files())
                    .extracting(Manifest.FileEntry::path)
                    .containsExactly(
                            "config.json",
                            "generation_config.json",
                            "tokenizer.json",
                            "tokenizer_config.json");
            assertThat(one.plan()).isEqualTo(source.plan());
        }
    }

    @Test
    void aSourceInFloatSaysNothingOfCodes() {
        try (SourceModel source = SourceModel.open(TestFiles.golden("llama"));
                Artifact artifact = convert(source, "int8", 2)) {
            assertThat(
                            artifact.manifest().weights().stream()
                                    .map(Manifest.Weight::takenOver)
                                    .filter(taken -> taken != null)
                                    .collect(Collectors.toList()))
                    .isEqualTo(List.of());
            assertThat(artifact.folder().resolve("manifest.json"))
                    .content()
                    .doesNotContain("taken_over");
        }
    }

    private Artifact convert(SourceModel source, String recipe, int threads) {
        return new Converter(threads)
                .convert(
                        source,
                        Recipe.parse(recipe),
                        new ArtifactStore(temp.resolve("store-" + threads)),
                        new ConversionListener() {});
    }

    private static Path file(String name) {
        return TestFiles.resource("gguf/" + name + ".gguf");
    }
}
