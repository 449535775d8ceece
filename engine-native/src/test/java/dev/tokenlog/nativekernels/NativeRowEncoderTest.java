package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.quantize.RowEncoderCases;
import dev.tokenlog.engine.quantize.Scales;
import dev.tokenlog.engine.tensor.NumberCode;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/// Every tier that this processor has encodes weights to the bits that Java gives.
class NativeRowEncoderTest {

    private static final List<NumberCode> CODES =
            List.of(NumberCode.INT8, NumberCode.INT4, NumberCode.INT2);

    @BeforeEach
    void requireLibrary() {
        assumeTrue(LoadedLibrary.LIBRARY != null, LoadedLibrary.RESULT.toString());
    }

    private static List<NativeLibrary.Tier> usable() {
        return LoadedLibrary.LIBRARY.tiers().stream().filter(NativeLibrary.Tier::usable).toList();
    }

    @Test
    void every_tier_gives_the_bits_that_java_gives() {
        long seed = new Random().nextLong();
        for (NativeLibrary.Tier tier : usable()) {
            RowEncoderCases cases = cases(tier, seed);
            try {
                assertThat(cases.all()).isGreaterThanOrEqualTo(CODES.size() * 200);
            } catch (AssertionError difference) {
                throw new AssertionError(tier.name() + ", seed " + seed, difference);
            }
        }
    }

    @Test
    void what_java_refuses_by_name_is_not_encoded() {
        for (NativeLibrary.Tier tier : usable()) {
            for (NumberCode code : CODES) {
                for (float strange :
                        new float[] {
                            Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 3e38f
                        }) {
                    cases(tier, 1).refuses(code, strange);
                }
            }
        }
    }

    @Test
    void codes_that_are_rounded_otherwise_are_left_to_java() {
        NativeRowEncoder encoder = new NativeRowEncoder();

        for (Scales scales : Scales.values()) {
            assertThat(NumberCode.values())
                    .filteredOn(code -> encoder.has(code, scales))
                    .containsExactlyInAnyOrderElementsOf(CODES);
        }
    }

    private static RowEncoderCases cases(NativeLibrary.Tier tier, long seed) {
        return new RowEncoderCases(new NativeRowEncoder(Optional.of(tier)), seed);
    }
}
