package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.math.BigInteger;

/// A seed: an unsigned 64-bit number, a plain JSON number on the wire.
public record UnsignedSeed(long bits) {

    private static final BigInteger LIMIT = BigInteger.ONE.shiftLeft(64);

    @JsonCreator
    public static UnsignedSeed of(BigInteger value) {
        if (value.signum() < 0 || value.compareTo(LIMIT) >= 0) {
            throw new NumberOutOfRangeException("seed must lie in 0 to 2^64 - 1, found " + value);
        }
        return new UnsignedSeed(value.longValue());
    }

    @JsonValue
    public BigInteger value() {
        return new BigInteger(Long.toUnsignedString(bits));
    }

    @Override
    public String toString() {
        return Long.toUnsignedString(bits);
    }
}
