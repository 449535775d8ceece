package dev.tokenlog.engine.artifact;

import java.lang.foreign.MemorySegment;

/// The compression function of SHA-256 by instructions that Java has no way to until its second
/// compiler has seen the code. Found on the class path as a [service][java.util.ServiceLoader];
/// [Sha256] lets none do anything before it has given the right digests.
public interface Sha256Blocks {

    /// Bytes of a block.
    int BLOCK = 64;

    /// Whether it can be used on this machine.
    boolean usable();

    /// Takes blocks into a state of eight words (FIPS 180-4, 6.2.2).
    ///
    /// @param blocks in an array or outside the heap, of a multiple of 64 bytes: a few, since a
    ///   garbage collection may wait for the call
    void compress(int[] state, MemorySegment blocks);
}
