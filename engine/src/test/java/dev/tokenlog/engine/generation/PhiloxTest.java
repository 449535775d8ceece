package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PhiloxTest {

    /// `kat_vectors` of Random123, `philox4x32 10`.
    @Test
    void givesTheKnownAnswers() {
        check(
                "00000000 00000000 00000000 00000000",
                "00000000 00000000",
                "6627e8d5 e169c58d bc57ac4c 9b00dbd8");
        check(
                "ffffffff ffffffff ffffffff ffffffff",
                "ffffffff ffffffff",
                "408f276d 41c83b0e a20bc7c6 6d5451fd");
        check(
                "243f6a88 85a308d3 13198a2e 03707344",
                "a4093822 299f31d0",
                "d16cfe09 94fdcceb 5001e420 24126ea1");
    }

    private static void check(String counter, String key, String expected) {
        int[] block = words(counter);
        int[] keys = words(key);
        Philox.encrypt(block, keys[0], keys[1]);
        assertThat(block).isEqualTo(words(expected));
    }

    private static int[] words(String hex) {
        return java.util.Arrays.stream(hex.split(" "))
                .mapToInt(word -> Integer.parseUnsignedInt(word, 16))
                .toArray();
    }

    @Test
    void makesNumbersOfTheFirstTwoWords() {
        // the first known answer, as a fraction of 2^64 cut to 53 bits
        assertThat(Philox.uniform(0, 0, 0))
                .isEqualTo((0x6627e8d5e169c58dL >>> 11) / 9007199254740992.0);
        assertThat(Philox.uniform(-1L, -1, 0)).isBetween(0.0, Math.nextDown(1.0));
        assertThat(Philox.uniform(1L << 32, 0, 0)).isNotEqualTo(Philox.uniform(1, 0, 0));
        assertThat(Philox.uniform(7, 1, 0)).isNotEqualTo(Philox.uniform(7, 0, 1));
    }

    /// SHA-256 of "abc" begins with ba7816bf 8f01cfea (FIPS 180-2).
    @Test
    void derivesASeedFromTheId() {
        assertThat(GenerationSeed.of("abc")).isEqualTo(0xba7816bf8f01cfeaL >>> 11);
        assertThat(GenerationSeed.of("0-41")).isBetween(0L, (1L << 53) - 1);
    }
}
