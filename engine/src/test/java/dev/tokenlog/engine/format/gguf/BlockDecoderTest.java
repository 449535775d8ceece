package dev.tokenlog.engine.format.gguf;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.TestMaterial;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HexFormat;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Against what the PyPI package `gguf` makes of random blocks: `src/test/gguf/blocks.py`.
class BlockDecoderTest {

    private static final Set<GgufType> DECODED =
            EnumSet.of(
                    GgufType.F32,
                    GgufType.F16,
                    GgufType.BF16,
                    GgufType.Q4_0,
                    GgufType.Q4_1,
                    GgufType.Q5_0,
                    GgufType.Q5_1,
                    GgufType.Q8_0,
                    GgufType.Q2_K,
                    GgufType.Q3_K,
                    GgufType.Q4_K,
                    GgufType.Q5_K,
                    GgufType.Q6_K);

    @Test
    void every_decoded_type_has_the_bits_of_the_reference() throws IOException {
        JsonNode cases = TestMaterial.json(TestFiles.resource("gguf/blocks.json"));
        Set<GgufType> seen = EnumSet.noneOf(GgufType.class);
        for (JsonNode each : cases) {
            GgufType type = GgufType.valueOf(each.path("type").textValue());
            assertThat(type.blockBytes()).isEqualTo(each.path("block_bytes").intValue());
            assertThat(type.blockElements()).isEqualTo(each.path("block_elements").intValue());
            byte[] blocks = HexFormat.of().parseHex(each.path("blocks").textValue());
            float[] wanted = floats(each.path("floats").textValue());

            float[] decoded = new float[wanted.length];
            BlockDecoder.row(type, MemorySegment.ofArray(blocks), 0, decoded, decoded.length);

            assertThat(bits(decoded)).describedAs("%s", type).isEqualTo(bits(wanted));
            seen.add(type);
        }
        assertThat(seen).isEqualTo(DECODED);
    }

    @ParameterizedTest
    @EnumSource
    void whatHasNoReferenceIsNotDecoded(GgufType type) {
        assertThat(BlockDecoder.of(type).isPresent()).isEqualTo(DECODED.contains(type));
    }

    @ParameterizedTest
    @EnumSource(names = {"Q4_0", "Q5_0", "Q8_0"})
    void codes_that_are_taken_over_have_the_values_of_the_blocks(GgufType type) throws IOException {
        JsonNode one = null;
        for (JsonNode each : TestMaterial.json(TestFiles.resource("gguf/blocks.json"))) {
            one = each.path("type").textValue().equals(type.name()) ? each : one;
        }
        byte[] blocks = HexFormat.of().parseHex(one.path("blocks").textValue());
        float[] wanted = floats(one.path("floats").textValue());
        BlockCodes codes = BlockCodes.of(type).orElseThrow();

        short[] q = new short[wanted.length];
        short[] scales = new short[wanted.length / 32];
        codes.row(MemorySegment.ofArray(blocks), 0, q.length, q, scales);

        for (int i = 0; i < q.length; i++) {
            assertThat(q[i] * Float.float16ToFloat(scales[i / 32])).isEqualTo(wanted[i]);
        }
        assertThat(codes.fits(NumberCode.INT8)).isTrue();
        assertThat(codes.fits(NumberCode.INT4)).isEqualTo(type == GgufType.Q4_0);
    }

    private static int[] bits(float[] values) {
        int[] bits = new int[values.length];
        Arrays.setAll(bits, i -> Float.floatToRawIntBits(values[i]));
        return bits;
    }

    private static float[] floats(String hex) {
        byte[] bytes = HexFormat.of().parseHex(hex);
        float[] floats = new float[bytes.length / 4];
        ByteBuffer.wrap(bytes).asFloatBuffer().get(floats);
        return floats;
    }
}
