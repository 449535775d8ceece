package dev.tokenlog.nativekernels;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/// Memory that ends at a page that nobody may read: whoever reads beyond it ends the test with the
/// whole Java machine.
final class GuardedMemory {

    private static final long PAGE = 4096;
    private static final int READ_WRITE = 3;
    private static final int PRIVATE_ANONYMOUS = 0x22;
    private static final Linker LINKER = Linker.nativeLinker();
    private static final MethodHandle MMAP =
            LINKER.downcallHandle(
                    LINKER.defaultLookup().findOrThrow("mmap"),
                    FunctionDescriptor.of(
                            ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_LONG));
    private static final MethodHandle MPROTECT =
            LINKER.downcallHandle(
                    LINKER.defaultLookup().findOrThrow("mprotect"),
                    FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG, JAVA_INT));
    private static final MethodHandle MUNMAP =
            LINKER.downcallHandle(
                    LINKER.defaultLookup().findOrThrow("munmap"),
                    FunctionDescriptor.of(JAVA_INT, ADDRESS, JAVA_LONG));

    private GuardedMemory() {}

    static MemorySegment allocate(Arena arena, long bytes) {
        long room = Math.ceilDiv(bytes, PAGE) * PAGE;
        long all = room + PAGE;
        try {
            MemorySegment start =
                    (MemorySegment)
                            MMAP.invokeExact(
                                    MemorySegment.NULL, all, READ_WRITE, PRIVATE_ANONYMOUS, -1, 0L);
            MemorySegment memory = start.reinterpret(all, arena, GuardedMemory::unmap);
            int refused = (int) MPROTECT.invokeExact(memory.asSlice(room), PAGE, 0);
            if (refused != 0) {
                throw new IllegalStateException("mprotect failed");
            }
            return memory.asSlice(room - bytes, bytes);
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }

    private static void unmap(MemorySegment memory) {
        try {
            int ignored = (int) MUNMAP.invokeExact(memory, memory.byteSize());
        } catch (Throwable failure) {
            throw NativeLibrary.unexpected(failure);
        }
    }
}
