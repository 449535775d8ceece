package dev.tokenlog.engine.quantize;

import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.NumberCode;
import java.lang.foreign.MemorySegment;

/// Quantizes rows as [QuantizedRows] does, bit for bit, with instructions that Java has no way to.
/// Found on the class path as a [service][java.util.ServiceLoader]; [RowEncoders] lets none do
/// anything before it has given the right bits.
public interface RowEncoder {

    /// Whether it can be used on this machine for the code, with scales that are found so.
    boolean has(NumberCode code, Scales scales);

    /// Quantizes rows.
    ///
    /// @param how scales are found
    /// @param type F32, F16 or BF16
    /// @param x the rows, one behind the other, little-endian, in an array: a few, since a garbage
    ///   collection may wait for the call
    /// @param groupSize columns that share a scale: a multiple of 32, or `columns`
    /// @param codes gets the packed rows
    /// @param scales gets F16 bits, little-endian
    /// @param sums of the errors, which are added: [ErrorMeasures#sums()]
    /// @return whether it did: otherwise some number is not finite, or a scale does not fit F16,
    ///   codes and scales hold anything, and the sums are what they were
    boolean encode(
            NumberCode code,
            Scales how,
            DataType type,
            MemorySegment x,
            int rows,
            int columns,
            int groupSize,
            MemorySegment codes,
            MemorySegment scales,
            double[] sums);
}
