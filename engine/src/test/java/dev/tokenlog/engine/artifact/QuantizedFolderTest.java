package dev.tokenlog.engine.artifact;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.safetensors.SafetensorsFile;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout.Declared;
import dev.tokenlog.engine.format.safetensors.SafetensorsWriter;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Folders whose weights other programs have quantized (`engine/src/test/quantized/generate.py`):
/// their values against those programs', and what a conversion makes of them.
class QuantizedFolderTest {

    private static final String QUERY = "model.layers.0.self_attn.q_proj";

    @TempDir Path temp;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "gptq-4-sym-g32",
                "gptq-4-asym-g64-v2",
                "gptq-4-act-order",
                "gptq-8-row",
                "awq-g64",
                "packed-4-sym-g32",
                "packed-4-asym-g64",
                "packed-4-act-order",
                "packed-8-row",
                "int8-row",
                "int8-asym",
                "float8-row",
                "float8-tensor",
                "fp8-blocks"
            })
    void valuesAreThoseOfTheProgramThatMadeThem(String name) {
        Path folder = folder(name);
        JsonNode expected = StrictJson.object(folder.resolve("expected.json"));
        assertThat(expected).hasSize(7);
        try (SourceModel source = SourceModel.open(folder)) {
            expected.properties()
                    .forEach(entry ->
                            assertThat(digest(source, entry.getKey(), entry.getValue()))
                                    .describedAs(entry.getKey())
                                    .isEqualTo(entry.getValue().path("sha256").asText()));
        }
    }

    /// Rounded once, as a program does that computes in that type.
    private static String digest(SourceModel source, String tensor, JsonNode expected) {
        float[] values = Dequantizer.all(source.matrix(tensor));
        DataType type = DataType.valueOf(expected.path("dtype").asText());
        ByteBuffer bytes =
                ByteBuffer.allocate(values.length * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            switch (type) {
                case F32 -> bytes.putFloat(value);
                case F16 -> bytes.putShort(Float.floatToFloat16(value));
                default -> bytes.putShort(bfloat16(value));
            }
        }
        return Digests.of(bytes.array());
    }

    private static short bfloat16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
    }

    @ParameterizedTest
    @CsvSource({
        "gptq-4-sym-g32, int4-g32-absmax",
        "gptq-4-asym-g64-v2, uint4-g64-absmax",
        "gptq-8-row, uint8-row-absmax",
        "awq-g64, uint4-g64-absmax",
        "packed-4-sym-g32, int4-g32-absmax",
        "packed-4-asym-g64, uint4-g64-absmax",
        "int8-row, int8-row-lsq"
    })
    void codesAreKeptByTheRecipeOfTheSource(String name, String recipe) throws IOException {
        try (SourceModel source = SourceModel.open(folder(name))) {
            assertThat(source.recipe().orElseThrow().canonical()).isEqualTo(recipe);
            try (Artifact artifact = convert(source, source.recipe().orElseThrow())) {
                requireTaken(artifact, source);
                assertThat(Files.readString(artifact.folder().resolve(ModelFiles.CONFIG)))
                        .doesNotContain(QuantizationConfig.FIELD)
                        .contains("\"torch_dtype\": \"float16\"");
            }
        }
    }

    /// A group of ours may be a part of one of theirs, and a wider code holds a narrower one.
    @ParameterizedTest
    @CsvSource({
        "awq-g64, uint4-g32",
        "gptq-8-row, uint8-g32",
        "gptq-4-sym-g32, int8-g32",
        "packed-4-asym-g64, uint8-g32",
        "int8-row, int8-g128"
    })
    void codesAreKeptInSmallerGroupsAndWiderCodes(String name, String recipe) {
        try (SourceModel source = SourceModel.open(folder(name));
                Artifact artifact = convert(source, Recipe.parse(recipe))) {
            requireTaken(artifact, source);
        }
    }

    private static void requireTaken(Artifact artifact, SourceModel source) {
        for (Manifest.Weight weight : artifact.manifest().weights()) {
            boolean coded = weight.name().contains("_proj");
            assertThat(weight.takenOver()).describedAs(weight.name()).isEqualTo(coded);
            if (coded) {
                assertThat(Dequantizer.all(artifact.matrix(weight.name())))
                        .describedAs(weight.name())
                        .isEqualTo(Dequantizer.all(source.matrix(weight.name())));
            }
        }
    }

    /// Columns far from each other share a scale, scales of 24 bits, codes that are no integers.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "gptq-4-act-order",
                "packed-4-act-order",
                "packed-8-row",
                "int8-asym",
                "fp8-blocks"
            })
    void whatNoCodeOfOursHoldsIsDecodedAndQuantized(String name) {
        try (SourceModel source = SourceModel.open(folder(name))) {
            assertThat(source.recipe()).isEmpty();
            try (Artifact artifact = convert(source, Recipe.parse("int8"))) {
                Manifest.Weight weight =
                        artifact.manifest().weights().stream()
                                .filter(each -> each.name().equals(QUERY + ".weight"))
                                .findFirst()
                                .orElseThrow();
                assertThat(weight.takenOver()).isFalse();
                assertThat(weight.errors().relativeL2()).isBetween(1e-6, 0.02);
            }
        }
    }

    /// As AutoGPTQ writes them for every module of a model that has none.
    @Test
    void biasesOfZerosAreSkippedAndOthersRefused() throws IOException {
        String bias = QUERY + ".bias";
        try (SourceModel source = SourceModel.open(folder("gptq-4-sym-g32"))) {
            assertThat(source.skippedTensors())
                    .contains(
                            new Manifest.SkippedTensor(
                                    bias, "a bias of zeros; the configuration has none"));
        }
        Path changed = rewritten("gptq-4-sym-g32", bias, tensor -> filled(tensor, (byte) 60));
        assertRefused(changed, Reason.UNSUPPORTED, bias, "has no place");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "gptq-4-sym-g32 | quant_method | \"bitsandbytes\" | bitsandbytes",
                "gptq-4-sym-g32 | quant_method | null | expected one of gptq, awq",
                "gptq-4-sym-g32 | checkpoint_format | \"marlin\" | checkpoint_format",
                "gptq-4-sym-g32 | is_marlin_format | true | is_marlin_format",
                "awq-g64 | version | \"gemv\" | version",
                "packed-4-sym-g32 | format | \"nvfp4-pack-quantized\" | nvfp4-pack-quantized",
                "packed-4-sym-g32 | kv_cache_scheme | {\"num_bits\": 8} | kv_cache_scheme",
                "packed-4-sym-g32 | transform_config | {\"config_groups\": {}} | transform_config",
                "packed-4-sym-g32 | sparsity_config | {\"format\": \"sparse-24-bitmask\"} | sparse-24",
                "fp8-blocks | fmt | \"e5m2\" | e5m2"
            })
    void whatNobodyHereCanReadIsRefusedByName(
            String name, String field, String value, String expected) throws IOException {
        Path changed = withField(name, field, value);
        assertRefused(changed, Reason.UNSUPPORTED, QuantizationConfig.FIELD, expected);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "gptq-4-sym-g32 | group_size | 0 | group_size",
                "gptq-4-sym-g32 | group_size | \"32\" | group_size",
                "awq-g64 | group_size | 32 | but quantization_config.group_size is 32",
                "packed-4-sym-g32 | config_groups | {} | codes of 4 bits, but no group",
                "fp8-blocks | weight_block_size | [0, 128] | blocks of [0,128]",
                "fp8-blocks | weight_block_size | [64, 64] | expected [2, 3]"
            })
    void contradictionsAreRefused(String name, String field, String value, String expected)
            throws IOException {
        assertRefused(withField(name, field, value), Reason.SOURCE_UNREADABLE, expected);
    }

    @ParameterizedTest
    @CsvSource({
        "gptq-4-sym-g32, scales, 'is missing'",
        "gptq-4-sym-g32, qzeros, 'is missing'",
        "awq-g64, qzeros, 'is missing'",
        "packed-4-asym-g64, weight_shape, 'is missing'",
        "packed-4-sym-g32, weight_scale, 'is missing'",
        "int8-row, weight_scale, 'is missing'",
        "fp8-blocks, weight_scale_inv, 'is missing'"
    })
    void missingPartsAreNamed(String name, String part, String expected) throws IOException {
        Path changed = rewritten(name, QUERY + "." + part, _ -> Optional.empty());
        assertRefused(changed, Reason.SOURCE_UNREADABLE, QUERY + "." + part, expected);
    }

    /// One row less than there should be.
    @ParameterizedTest
    @CsvSource({
        "gptq-4-sym-g32, scales",
        "gptq-4-sym-g32, qzeros",
        "gptq-4-sym-g32, g_idx",
        "gptq-4-sym-g32, qweight",
        "awq-g64, scales",
        "awq-g64, qzeros",
        "awq-g64, qweight",
        "packed-4-asym-g64, weight_packed",
        "packed-4-asym-g64, weight_scale",
        "packed-4-asym-g64, weight_zero_point",
        "packed-4-asym-g64, weight_shape",
        "packed-4-act-order, weight_g_idx",
        "int8-asym, weight_scale",
        "int8-asym, weight_zero_point",
        "fp8-blocks, weight"
    })
    void partsOfOtherSizesAreRefused(String name, String part) throws IOException {
        Path changed = rewritten(name, QUERY + "." + part, QuantizedFolderTest::shorter);
        assertRefused(changed, Reason.SOURCE_UNREADABLE, QUERY);
    }

    @ParameterizedTest
    @CsvSource({
        "gptq-4-act-order, g_idx, 'element 0: group 1077952576 of 4'",
        "packed-4-act-order, weight_g_idx, 'element 0: group 1077952576 of 4'",
        "packed-4-sym-g32, weight_shape, 'says [4629771061636907072'"
    })
    void numbersOutOfRangeAreRefused(String name, String part, String expected) throws IOException {
        Path changed = rewritten(name, QUERY + "." + part, tensor -> filled(tensor, (byte) 0x40));
        assertRefused(changed, Reason.SOURCE_UNREADABLE, QUERY + "." + part, expected);
    }

    @Test
    void scalesOfNoGroupAreRefused() throws IOException {
        String scale = QUERY + ".weight_scale";
        Path changed =
                rewritten(
                        "packed-4-sym-g32",
                        scale,
                        tensor ->
                                Optional.of(
                                        new Tensor(
                                                scale,
                                                tensor.type(),
                                                List.of(tensor.shape().getFirst(), 0L),
                                                tensor.data().asSlice(0, 0))));
        assertRefused(changed, Reason.SOURCE_UNREADABLE, scale, "groups of equal size");
    }

    /// By the shape alone 128 + 72 columns could be twice 100.
    @Test
    void groupsOfAnotherSizeThanIsStatedAreRefused() throws IOException {
        Path changed =
                withField(
                        "packed-4-sym-g32",
                        "config_groups",
                        """
                        {"group_0": {"targets": ["Linear"], "weights":
                          {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 64}}}
                        """);
        assertRefused(changed, Reason.SOURCE_UNREADABLE, "weight_scale", "groups of 32 columns");
    }

    @Test
    void aTensorOfNoModuleIsNoPart() throws IOException {
        Path changed =
                rewritten(
                        "fp8-blocks",
                        "model.norm.weight",
                        tensor ->
                                Optional.of(
                                        new Tensor(
                                                "weight",
                                                tensor.type(),
                                                tensor.shape(),
                                                tensor.data())));
        assertRefused(changed, Reason.UNSUPPORTED, "'weight'");
    }

    @Test
    void theSecondFormatOfGptqIsKnownInCapitalsToo() throws IOException {
        String v2 = "gptq-4-asym-g64-v2";
        Path changed = withField(v2, "checkpoint_format", "\"GPTQ_V2\"");
        try (SourceModel one = SourceModel.open(folder(v2));
                SourceModel other = SourceModel.open(changed);
                Artifact expected = convert(one, one.recipe().orElseThrow());
                Artifact found = convert(other, other.recipe().orElseThrow())) {
            assertThat(found.manifest().weights()).isEqualTo(expected.manifest().weights());
        }
    }

    @Test
    void formatsOfGptqThatContradictEachOtherAreRefused() throws IOException {
        Path changed = withField("gptq-4-asym-g64-v2", "format", "\"gptq\"");
        assertRefused(changed, Reason.UNSUPPORTED, "checkpoint_format", "gptq_v2");
    }

    @Test
    void aMatrixThatIsThereTwiceIsRefused() throws IOException {
        Path changed =
                rewritten(
                        "awq-g64",
                        "model.norm.weight",
                        tensor ->
                                Optional.of(
                                        new Tensor(
                                                QUERY + ".weight",
                                                tensor.type(),
                                                tensor.shape(),
                                                tensor.data())));
        assertRefused(changed, Reason.SOURCE_UNREADABLE, QUERY + ".weight", "once more");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"a\": 1, \"quantization_config\": {\"b\": [1, \"}\"]}, \"c\": 2}",
                "{ \"quantization_config\" : {} , \"a\": 1, \"c\": 2}",
                "{\"a\": 1, \"c\": 2\n, \"quantization_config\": {\"ä\": 1}\n}\n"
            })
    void theFieldIsTakenOutOfATextAndNothingElse(String text) throws IOException {
        byte[] without =
                ConfigText.without(
                        text.getBytes(StandardCharsets.UTF_8), QuantizationConfig.FIELD, "text");
        JsonNode expected = StrictJson.MAPPER.readTree(text);
        ((ObjectNode) expected).remove(QuantizationConfig.FIELD);
        assertThat(StrictJson.MAPPER.readTree(without)).isEqualTo(expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"{\"a\": {}}", "{\n  \"a\": 1\n}\n", "{\"a\":\"ä}\"  }  "})
    void puttingTheFieldInAndTakingItOutChangesNoByte(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        byte[] with = ConfigText.with(bytes, QuantizationConfig.FIELD, "{\"x\": 1}");
        assertThat(new String(with, StandardCharsets.UTF_8)).contains("{\"x\": 1}");
        assertThat(ConfigText.without(with, QuantizationConfig.FIELD, "text")).isEqualTo(bytes);
    }

    private interface Change {
        Optional<Tensor> of(Tensor tensor);
    }

    private static Optional<Tensor> filled(Tensor tensor, byte value) {
        byte[] bytes = new byte[Math.toIntExact(tensor.data().byteSize())];
        java.util.Arrays.fill(bytes, value);
        return Optional.of(
                new Tensor(
                        tensor.name(),
                        tensor.type(),
                        tensor.shape(),
                        MemorySegment.ofArray(bytes)));
    }

    private static Optional<Tensor> shorter(Tensor tensor) {
        List<Long> shape = new java.util.ArrayList<>(tensor.shape());
        shape.set(0, shape.getFirst() - 1);
        long bytes = tensor.data().byteSize() / tensor.shape().getFirst() * shape.getFirst();
        return Optional.of(
                new Tensor(tensor.name(), tensor.type(), shape, tensor.data().asSlice(0, bytes)));
    }

    /// A copy of a folder in which one tensor is another one, or none.
    private Path rewritten(String name, String tensor, Change change) throws IOException {
        Path copy = Files.createDirectories(temp.resolve("changed"));
        Files.copy(folder(name).resolve("config.json"), copy.resolve("config.json"));
        try (Arena arena = Arena.ofConfined()) {
            Map<String, Tensor> tensors = new TreeMap<>();
            boolean found = false;
            for (Tensor each :
                    SafetensorsFile.open(folder(name).resolve("model.safetensors"), arena)
                            .tensors()) {
                boolean wanted = each.name().equals(tensor);
                found |= wanted;
                Optional<Tensor> kept = wanted ? change.of(each) : Optional.of(each);
                kept.ifPresent(one -> tensors.put(one.name(), one));
            }
            assertThat(found).describedAs(tensor).isTrue();
            SafetensorsLayout layout =
                    new SafetensorsLayout(
                            Map.of(),
                            tensors.values().stream()
                                    .map(each ->
                                            new Declared(each.name(), each.type(), each.shape()))
                                    .toList());
            try (SafetensorsWriter writer =
                    new SafetensorsWriter(copy.resolve("model.safetensors"), layout)) {
                tensors.values()
                        .forEach(each -> writer.write(each.name(), 0, each.data().asByteBuffer()));
            }
        }
        return copy;
    }

    private Path withField(String name, String field, String value) throws IOException {
        Path copy = Files.createDirectories(temp.resolve("changed"));
        ObjectNode config =
                (ObjectNode)
                        StrictJson.MAPPER.readTree(folder(name).resolve("config.json").toFile());
        config.withObject("/" + QuantizationConfig.FIELD)
                .set(field, StrictJson.MAPPER.readTree(value));
        Files.writeString(copy.resolve("config.json"), config.toString());
        Files.copy(folder(name).resolve("model.safetensors"), copy.resolve("model.safetensors"));
        return copy;
    }

    private static void assertRefused(Path folder, Reason reason, String... words) {
        assertThatThrownBy(() -> SourceModel.open(folder).close())
                .isInstanceOfSatisfying(
                        EngineException.class,
                        refusal -> assertThat(refusal.reason()).isEqualTo(reason))
                .hasMessageContainingAll(words);
    }

    private Artifact convert(SourceModel source, Recipe recipe) {
        return new Converter(2)
                .convert(
                        source,
                        recipe,
                        new ArtifactStore(temp.resolve("store")),
                        new ConversionListener() {});
    }

    private static Path folder(String name) {
        return TestFiles.resource("quantized/" + name);
    }
}
