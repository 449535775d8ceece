package dev.tokenlog.engine.compute;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/// The vectors that the vector kernels compute with: as wide as the machine likes, but 128 to 512
/// bit, so that 16 partial sums are 4, 2 or 1 of them. Results do not depend on the width.
final class VectorShapes {

    static final int BITS = Math.clamp(FloatVector.SPECIES_PREFERRED.vectorBitSize(), 128, 512);

    static final VectorShape SHAPE = VectorShape.forBitSize(BITS);
    static final VectorSpecies<Float> FLOATS = VectorSpecies.of(float.class, SHAPE);
    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, SHAPE);
    static final VectorSpecies<Short> SHORTS = VectorSpecies.of(short.class, SHAPE);

    /// As many bytes as there are lanes of 16 bits, and lanes of 32 bits' worth of 16-bit numbers.
    static final VectorSpecies<Byte> HALF_BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(BITS / 2));

    static final VectorSpecies<Short> HALF_SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(BITS / 2));

    static final int FLOAT_LANES = FLOATS.length();
    static final int SHORT_LANES = SHORTS.length();

    private static final VectorShuffle<Float> BY_8 = VectorShuffle.iota(FLOATS, 8, 1, true);
    private static final VectorShuffle<Float> BY_4 = VectorShuffle.iota(FLOATS, 4, 1, true);
    private static final VectorShuffle<Float> BY_2 = VectorShuffle.iota(FLOATS, 2, 1, true);
    private static final VectorShuffle<Float> BY_1 = VectorShuffle.iota(FLOATS, 1, 1, true);

    private VectorShapes() {}

    /// Adds 16 partial sums by halves: 8, 4, 2, 1. With fewer lanes they lie in two (a, b) or four
    /// vectors; what is not needed is zero and not looked at.
    static float sumByHalves(FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
        FloatVector sum;
        if (FLOAT_LANES == 16) {
            sum = a.add(a.rearrange(BY_8));
            sum = sum.add(sum.rearrange(BY_4));
        } else if (FLOAT_LANES == 8) {
            sum = a.add(b);
            sum = sum.add(sum.rearrange(BY_4));
        } else {
            sum = a.add(c).add(b.add(d));
        }
        sum = sum.add(sum.rearrange(BY_2));
        return sum.add(sum.rearrange(BY_1)).lane(0);
    }
}
