package dev.tokenlog.engine.compute;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorShuffle;
import jdk.incubator.vector.VectorSpecies;

/// The vectors that the vector kernels compute with: as wide as the machine likes, but 128 to 512
/// bit, so that 16 partial sums are 4, 2 or 1 of them. Results do not depend on the width.
///
/// A vector stays in a register only where the compiler inlines everything it goes through; it
/// inlines the Vector API always, but of other methods neither those whose own code is large
/// already nor calls that it takes for rare. Elsewhere vectors become objects. So no method of ours
/// takes or returns a vector: they hand on arrays.
final class VectorShapes {

    static final int BITS = Math.clamp(FloatVector.SPECIES_PREFERRED.vectorBitSize(), 128, 512);

    static final VectorShape SHAPE = VectorShape.forBitSize(BITS);
    static final VectorSpecies<Float> FLOATS = VectorSpecies.of(float.class, SHAPE);
    static final VectorSpecies<Integer> INTS = VectorSpecies.of(int.class, SHAPE);
    static final VectorSpecies<Short> SHORTS = VectorSpecies.of(short.class, SHAPE);

    /// As many bytes as there are lanes of 32 bits; where vectors are too short for that, twice as
    /// many.
    static final VectorSpecies<Byte> QUARTER_BYTES =
            VectorSpecies.of(byte.class, VectorShape.forBitSize(Math.max(64, BITS / 4)));

    /// As many 16-bit numbers as there are lanes of 32 bits.
    static final VectorSpecies<Short> HALF_SHORTS =
            VectorSpecies.of(short.class, VectorShape.forBitSize(BITS / 2));

    static final int FLOAT_LANES = FLOATS.length();
    static final int SHORT_LANES = SHORTS.length();

    /// Rotations of lanes, for sums by halves.
    static final VectorShuffle<Float> BY_8 = VectorShuffle.iota(FLOATS, 8, 1, true);

    static final VectorShuffle<Float> BY_4 = VectorShuffle.iota(FLOATS, 4, 1, true);
    static final VectorShuffle<Float> BY_2 = VectorShuffle.iota(FLOATS, 2, 1, true);
    static final VectorShuffle<Float> BY_1 = VectorShuffle.iota(FLOATS, 1, 1, true);

    private VectorShapes() {}
}
