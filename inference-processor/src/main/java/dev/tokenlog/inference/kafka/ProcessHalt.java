package dev.tokenlog.inference.kafka;

import dev.tokenlog.inference.protocol.HaltPoint;
import dev.tokenlog.inference.protocol.HaltPoints;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/// Ends or stops this process at one [HaltPoint], as a signal from outside would that came in the
/// right microsecond: no hook runs, no buffer is flushed.
final class ProcessHalt implements HaltPoints {

    private static final String KEY = "tokenlog.inference.halt";

    private enum Action {
        KILL,
        STOP,
        /// A read of address 0 in C.
        CRASH
    }

    private final HaltPoint point;
    private final Action action;
    private int left;

    private ProcessHalt(HaltPoint point, int nth, Action action) {
        this.point = point;
        this.left = nth;
        this.action = action;
    }

    /// @param configured `POINT:NTH:ACTION`
    /// @throws IllegalArgumentException if it says something else
    static HaltPoints of(Optional<String> configured) {
        return configured.map(ProcessHalt::parse).orElse(NONE);
    }

    private static HaltPoints parse(String text) {
        String[] parts = text.split(":");
        try {
            if (parts.length != 3) {
                throw new IllegalArgumentException("three parts are expected");
            }
            int nth = Integer.parseInt(parts[1]);
            if (nth < 1) {
                throw new IllegalArgumentException("NTH begins with 1");
            }
            return new ProcessHalt(
                    HaltPoint.valueOf(parts[0].toUpperCase(Locale.ROOT).replace('-', '_')),
                    nth,
                    Action.valueOf(parts[2].toUpperCase(Locale.ROOT)));
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "%s=%s: expected POINT:NTH:ACTION with a point of %s and kill, stop or crash (%s)"
                            .formatted(
                                    KEY,
                                    text,
                                    Arrays.stream(HaltPoint.values())
                                            .map(HaltPoint::label)
                                            .collect(Collectors.joining(", ")),
                                    e.getMessage()),
                    e);
        }
    }

    @Override
    public void reached(HaltPoint reached, int partition, long promptOffset, int attempt) {
        if (reached != point || --left != 0) {
            return;
        }
        System.out.printf(
                "halt point %s reached by partition=%d prompt_offset=%d attempt=%d%n",
                point.label(), partition, promptOffset, attempt);
        System.out.flush();
        try {
            halt();
        } catch (RuntimeException e) {
            throw e;
        } catch (Throwable e) { // what a method handle declares
            throw new IllegalStateException("the process could not be halted", e);
        }
    }

    private void halt() throws Throwable {
        Linker linker = Linker.nativeLinker();
        if (action == Action.CRASH) {
            MethodHandle length =
                    linker.downcallHandle(
                            linker.defaultLookup().findOrThrow("strlen"),
                            FunctionDescriptor.of(ValueLayout.JAVA_LONG, ValueLayout.ADDRESS));
            long never = (long) length.invokeExact(MemorySegment.NULL);
            throw new IllegalStateException("strlen(0) is " + never);
        }
        boolean mac = System.getProperty("os.name").startsWith("Mac");
        int signal = action == Action.KILL ? 9 : mac ? 17 : 19;
        // To the calling thread, not by kill() to any of the process: that one stops before it
        // goes on, where a signal to another would let it run for some microseconds more.
        MethodHandle raise =
                linker.downcallHandle(
                        linker.defaultLookup().findOrThrow("raise"),
                        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        int status = (int) raise.invokeExact(signal);
        if (status != 0) {
            throw new IllegalStateException("raise returned " + status);
        }
    }
}
