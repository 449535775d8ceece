package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.StructLayout;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.VarHandle;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/// The lock of a file of the cache, which the hub's own client respects as well: on Unix that is
/// `flock(2)`, which the JDK's file locks (`fcntl`) know nothing of; on Windows they are the same.
/// It ends with the process that holds it, however that ends.
final class HubLock implements AutoCloseable {

    private static final long PAUSE_MILLIS = 50;

    /// A file lock keeps processes apart, not the threads of one.
    private static final Map<Path, Semaphore> WITHIN = new ConcurrentHashMap<>();

    private interface Held {
        void release() throws IOException;
    }

    private final Path file;
    private final Held held;
    private final Semaphore within;

    private HubLock(Path file, Held held, Semaphore within) {
        this.file = file;
        this.held = held;
        this.within = within;
    }

    /// Waits for the lock.
    ///
    /// @param note told that somebody else has it
    static HubLock acquire(Path file, BooleanSupplier stop, Consumer<String> note) {
        Semaphore within = WITHIN.computeIfAbsent(file.toAbsolutePath(), path -> new Semaphore(1));
        boolean mine = false;
        boolean told = false;
        try {
            create(file);
            while (true) {
                HubTransport.requireGoOn(stop);
                mine = mine || within.tryAcquire(PAUSE_MILLIS, TimeUnit.MILLISECONDS);
                Held held = mine ? tryLock(file) : null;
                if (held != null) {
                    HubLock lock = new HubLock(file, held, within);
                    mine = false; // the lock's own now
                    return lock;
                }
                if (!told) {
                    note.accept("waiting for another download of the same file");
                    told = true;
                }
                Thread.sleep(mine ? PAUSE_MILLIS : 0);
            }
        } catch (IOException e) {
            throw HubCache.failed(file, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("interrupted");
        } finally {
            if (told) {
                note.accept("");
            }
            if (mine) {
                within.release();
            }
        }
    }

    private static void create(Path file) throws IOException {
        Files.createDirectories(file.getParent());
        try {
            Files.createFile(file);
        } catch (FileAlreadyExistsException e) {
            if (!Files.isRegularFile(file)) {
                throw e;
            }
        }
    }

    private static Held tryLock(Path file) throws IOException {
        if (File.separatorChar == '/') {
            return Flock.tryLock(file);
        }
        FileChannel channel =
                FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
        FileLock lock = channel.tryLock(0, 1, false);
        if (lock == null) {
            channel.close();
            return null;
        }
        return channel::close;
    }

    @Override
    public void close() {
        try {
            held.release();
        } catch (IOException e) {
            throw HubCache.failed(file, e);
        } finally {
            within.release();
        }
    }

    /// The lock file stays: whoever deleted it would give a second process a lock of its own.
    private static final class Flock {

        private static final int READ_AND_WRITE = 2;
        private static final int EXCLUSIVE_AT_ONCE = 2 | 4;

        /// `EWOULDBLOCK` of Linux and of macOS, and `EINTR`: asked again, it may be granted.
        private static final Set<Integer> HELD_BY_ANOTHER = Set.of(11, 35, 4);

        private static final StructLayout STATE = Linker.Option.captureStateLayout();
        private static final VarHandle ERRNO = STATE.varHandle(PathElement.groupElement("errno"));

        private static final Linker LINKER = Linker.nativeLinker();
        private static final MethodHandle OPEN =
                LINKER.downcallHandle(
                        LINKER.defaultLookup().findOrThrow("open"),
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT),
                        Linker.Option.firstVariadicArg(2));
        private static final MethodHandle FLOCK =
                LINKER.downcallHandle(
                        LINKER.defaultLookup().findOrThrow("flock"),
                        FunctionDescriptor.of(
                                ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT),
                        Linker.Option.captureCallState("errno"));
        private static final MethodHandle CLOSE =
                LINKER.downcallHandle(
                        LINKER.defaultLookup().findOrThrow("close"),
                        FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));

        static Held tryLock(Path file) throws IOException {
            int descriptor;
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment path = arena.allocateFrom(file.toString());
                descriptor = call(OPEN, path, READ_AND_WRITE);
                if (descriptor < 0) {
                    throw new IOException(file + " cannot be opened for writing");
                }
                MemorySegment state = arena.allocate(STATE);
                if (call(FLOCK, state, descriptor, EXCLUSIVE_AT_ONCE) != 0) {
                    call(CLOSE, descriptor);
                    int error = (int) ERRNO.get(state, 0L);
                    if (!HELD_BY_ANOTHER.contains(error)) {
                        // Some network file systems have no such locks: waiting would not end.
                        throw new IOException("flock gives errno " + error);
                    }
                    return null;
                }
            }
            return () -> call(CLOSE, descriptor);
        }

        private static int call(MethodHandle function, Object... arguments) {
            try {
                return (int) function.invokeWithArguments(arguments);
            } catch (Error | RuntimeException e) {
                throw e;
            } catch (Throwable e) {
                throw new EngineException(
                        Reason.STORAGE_FAILED, "the lock of a file: " + e.getMessage(), e);
            }
        }
    }
}
