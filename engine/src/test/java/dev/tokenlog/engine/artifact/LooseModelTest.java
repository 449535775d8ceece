package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.npy.NpyArray;
import dev.tokenlog.engine.format.npz.NpzFile;
import dev.tokenlog.engine.format.npz.NpzWriter;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Older files, against the values that numpy has for them: see `manifests/SOURCE.txt`.
class LooseModelTest {

    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir Path temp;

    private static Path manifests(String name) {
        return TestFiles.resource("manifests/" + name);
    }

    private static float[] floats(InputStream in) throws IOException {
        ByteBuffer bytes = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
        float[] values = new float[bytes.capacity() / 4];
        bytes.asFloatBuffer().get(values);
        return values;
    }

    @ParameterizedTest
    @ValueSource(strings = {"converter", "named"})
    void archives_decode_to_the_last_bit(String name) throws IOException {
        Path archive = manifests(name + ".npz");
        try (NpzFile expected = NpzFile.open(manifests(name + ".expected.npz"));
                LooseModel model = LooseModel.open(archive)) {
            assertThat(model.loose()).hasSameSizeAs(expected.arrays());
            for (NpzFile.ArrayFacts array : expected.arrays()) {
                Path out = temp.resolve(array.key() + ".npy");
                TensorValues.write(archive, array.key(), out);

                NpyArray found = NpyArray.read(out);
                assertThat(found.shape()).isEqualTo(array.shape());
                try (InputStream numbers = expected.numbers(array.key())) {
                    assertThat(found.values()).as(array.key()).isEqualTo(floats(numbers));
                }
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"list-form", "map-form"})
    void manifests_decode_to_the_last_bit(String name) throws IOException {
        Path folder = manifests(name);
        List<Path> expected;
        try (Stream<Path> files = Files.list(folder)) {
            expected =
                    files.filter(f -> f.getFileName().toString().startsWith("expected_")).toList();
        }
        assertThat(expected).hasSizeGreaterThan(1);
        for (Path file : expected) {
            String tensor =
                    file.getFileName().toString().replace("expected_", "").replace(".npy", "");
            Path out = temp.resolve("out.npy");
            TensorValues.write(folder.resolve("manifest.json"), tensor, out);

            NpyArray found = NpyArray.read(out);
            assertThat(found.shape()).isEqualTo(NpyArray.read(file).shape());
            assertThat(found.values()).as(tensor).isEqualTo(NpyArray.read(file).values());
        }
    }

    @Test
    void a_transposed_archive_gives_the_matrices_of_the_hub() throws IOException {
        try (LooseModel model = LooseModel.open(manifests("converter.npz"));
                NpzFile expected = NpzFile.open(manifests("converter.expected.npz"));
                InputStream numbers = expected.numbers("layer_1_mlp_down_proj_weight")) {
            SourceTensor tensor = model.tensor("model.layers.1.mlp.down_proj.weight").orElseThrow();
            float[] values = floats(numbers);
            float[] row = new float[100];

            assertThat(tensor.shape()).containsExactly(48L, 100L);
            tensor.row(7, row);
            for (int column = 0; column < 100; column++) {
                assertThat(row[column]).isEqualTo(values[column * 48 + 7]);
            }
            assertThat(model.tensor("lm_head.weight").orElseThrow().shape())
                    .containsExactly(90L, 48L);
            assertThat(tensor.holds(NumberCode.INT4, 48)).isFalse();
        }
    }

    @Test
    void inspect_names_what_is_there() {
        Inspection archive = Inspection.of(manifests("named.npz"));
        Inspection list = Inspection.of(manifests("list-form/manifest.json"));
        Inspection map = Inspection.of(manifests("map-form/manifest.json"));

        assertThat(archive.kind()).isEqualTo(Inspection.Kind.NPZ);
        assertThat(archive.tensors())
                .filteredOn(t -> t.name().equals("transformer.norm.weight_fp32"))
                .singleElement()
                .satisfies(t -> assertThat(t.shape()).containsExactly(48L));
        assertThat(list.kind()).isEqualTo(Inspection.Kind.MANIFEST);
        assertThat(list.tensors())
                .extracting(Inspection.TensorFacts::quantization)
                .containsExactly("int4-row", "int4-row");
        assertThat(map.tensors())
                .extracting(Inspection.TensorFacts::quantization)
                .containsExactly("int1-row", "int8-row", null);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../x.npy",
                "/etc/passwd.npy",
                "..\\\\x.npy",
                "C:\\\\x.npy",
                "a/../../x.npy",
                "."
            })
    void a_path_out_of_the_folder_is_refused(String reference) throws IOException {
        Path folder = TestFiles.copy(manifests("list-form"), temp.resolve("list"));
        Path manifest = folder.resolve("manifest.json");
        String quoted = reference.equals(".") ? "..npy" : reference;
        Files.writeString(
                manifest,
                Files.readString(manifest)
                        .replace("layer_0_self_attn_q_proj_weight_q4.npy", quoted));

        assertThatThrownBy(() -> LooseModel.open(manifest))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("npy");
    }

    @Test
    void a_code_that_does_not_fit_its_bits_is_named() throws IOException {
        Path folder = TestFiles.copy(manifests("list-form"), temp.resolve("list"));
        Path codes = folder.resolve("layer_1_mlp_down_proj_weight_q4.npy");
        byte[] bytes = Files.readAllBytes(codes);
        bytes[128 + 203] = 16;
        Files.write(codes, bytes);

        assertThatThrownBy(() ->
                        TensorValues.write(
                                folder.resolve("manifest.json"),
                                "layer_1.mlp.down_proj",
                                temp.resolve("out.npy")))
                .hasMessageContaining("layer_1_mlp_down_proj_weight_q4.npy")
                .hasMessageContaining("row 2 column 3: code 16");
    }

    private static String export(Path source, String recipe, Path store, Path folder) {
        try (SourceModel model = SourceModel.open(source);
                Artifact artifact =
                        new Converter(2)
                                .convert(
                                        model,
                                        Recipe.parse(recipe),
                                        new ArtifactStore(store),
                                        new ConversionListener() {})) {
            NpzExport.write(artifact, folder);
            return artifact.digest().orElseThrow();
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "int4-g32-absmax",
                "int8-g128-lsq",
                "int4-row-absmax,embedding=int4",
                "uint4-g32-absmax",
                "uint2-row-absmax,embedding=uint8",
                "int2-g64-lsq",
                "ternary-g32-lsq"
            })
    void an_export_converts_back_to_the_same_digest(String recipe) throws IOException {
        for (String golden : List.of("llama", "gemma2")) {
            Path folder = temp.resolve("export-" + golden);
            String digest = export(TestFiles.golden(golden), recipe, temp.resolve("store"), folder);
            for (String file : List.of("_quantized_", "_manifest_")) {
                Path path;
                try (Stream<Path> files = Files.list(folder)) {
                    path = files.filter(f -> f.toString().contains(file)).findFirst().orElseThrow();
                }
                try (SourceModel source = SourceModel.open(path);
                        Artifact again =
                                new Converter(1)
                                        .convert(
                                                source,
                                                Recipe.parse(recipe),
                                                new ArtifactStore(temp.resolve("again" + file)),
                                                new ConversionListener() {})) {
                    assertThat(source.name()).isEqualTo(golden);
                    assertThat(again.digest()).hasValue(digest);
                    assertThat(again.manifest().weights())
                            .filteredOn(w -> w.bitWidth() < 32)
                            .allMatch(Manifest.Weight::takenOver);
                }
            }
        }
    }

    @Test
    void an_export_that_fails_leaves_the_one_before() throws IOException {
        Path folder = temp.resolve("export");
        try (SourceModel model = SourceModel.open(TestFiles.golden("llama"))) {
            Artifact artifact =
                    new Converter(1)
                            .convert(
                                    model,
                                    Recipe.parse("int4"),
                                    new ArtifactStore(temp.resolve("store")),
                                    new ConversionListener() {});
            Path archive = NpzExport.write(artifact, folder).archive();
            byte[] before = Files.readAllBytes(archive);
            artifact.close(); // its weights cannot be read any more

            assertThatThrownBy(() -> NpzExport.write(artifact, folder))
                    .isInstanceOf(IllegalStateException.class);

            assertThat(archive).hasBinaryContent(before);
            assertThat(folder.resolve(archive.getFileName() + ".part")).doesNotExist();
        }
    }

    @Test
    void a_single_number_is_written_as_one() {
        Path archive = temp.resolve("single.npz");
        try (NpzWriter writer = new NpzWriter(archive)) {
            writer.begin("model.norm_fp32", DataType.F32, List.of());
            writer.write(new byte[] {0, 0, 0x28, 0x42}, 4);
            writer.finish();
        }
        Path out = temp.resolve("single.npy");

        TensorValues.write(archive, "model.norm", out);

        assertThat(NpyArray.read(out).shape()).isEmpty();
        assertThat(NpyArray.read(out).values()).containsExactly(42);
    }

    @Test
    void another_recipe_quantizes_the_decoded_values() {
        Path folder = temp.resolve("export");
        export(TestFiles.golden("llama"), "int8-g32-absmax", temp.resolve("store"), folder);

        try (SourceModel source = SourceModel.open(folder.resolve("llama_quantized_q8.npz"));
                Artifact artifact =
                        new Converter(1)
                                .convert(
                                        source,
                                        Recipe.parse("int4"),
                                        new ArtifactStore(temp.resolve("again")),
                                        new ConversionListener() {})) {
            assertThat(artifact.manifest().weights())
                    .filteredOn(w -> w.quantization().startsWith("int4"))
                    .isNotEmpty()
                    .noneMatch(Manifest.Weight::takenOver);
        }
    }

    @Test
    void every_manifest_fits_the_schema_and_a_spoiled_one_does_not() throws IOException {
        JsonSchema schema =
                JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
                        .getSchema(
                                Files.readString(
                                        TestFiles.root().resolve("docs/manifest.schema.json")));
        Path folder = temp.resolve("export");
        String digest = export(TestFiles.golden("llama"), "int4", temp.resolve("store"), folder);
        for (Path manifest :
                List.of(
                        temp.resolve("store").resolve(digest).resolve("manifest.json"),
                        folder.resolve("llama_manifest_q4.json"),
                        manifests("list-form/manifest.json"),
                        manifests("map-form/manifest.json"))) {
            JsonNode json = JSON.readTree(Files.readString(manifest));
            assertThat(schema.validate(json)).as(manifest.toString()).isEmpty();
            for (String[] change :
                    new String[][] {
                        {"\"format_version\"", "\"version\""},
                        {"\"weights\"", "\"weight\""},
                        {"\"q\"", "\"codes\""},
                        {"\"bit_width\" *: *[48]", "\"bit_width\": 3"}
                    }) {
                JsonNode spoiled =
                        JSON.readTree(Files.readString(manifest).replaceAll(change[0], change[1]));
                assertThat(schema.validate(spoiled)).as(manifest + " " + change[0]).isNotEmpty();
            }
        }
    }
}
