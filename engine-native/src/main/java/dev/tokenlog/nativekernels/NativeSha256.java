package dev.tokenlog.nativekernels;

import static dev.tokenlog.nativekernels.LoadedLibrary.LIBRARY;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import dev.tokenlog.engine.artifact.Sha256Blocks;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;
import java.util.Objects;

/// `tokenlog_sha256`.
public final class NativeSha256 implements Sha256Blocks {

    private static final int WORDS = 8;

    /// Linked where there is a library.
    private static final class Functions {

        static final MethodHandle USABLE = LIBRARY.function("tokenlog_sha256_usable", JAVA_INT);

        static final MethodHandle COMPRESS =
                LIBRARY.kernel("tokenlog_sha256", ADDRESS, ADDRESS, JAVA_LONG);

        private Functions() {}
    }

    @Override
    public boolean usable() {
        if (LIBRARY == null) {
            return false;
        }
        try {
            return (int) Functions.USABLE.invokeExact() == 1;
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    @Override
    public void compress(int[] state, MemorySegment blocks) {
        // What Java would have found out by itself.
        Objects.checkFromIndexSize(0, WORDS, state.length);
        if (blocks.byteSize() % BLOCK != 0) {
            throw new IllegalArgumentException(blocks.byteSize() + " bytes are no blocks");
        }
        try {
            Functions.COMPRESS.invokeExact(
                    MemorySegment.ofArray(state), blocks, blocks.byteSize() / BLOCK);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }
}
