package dev.tokenlog.nativekernels;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.tokenlog.engine.compute.ActivationCode;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;

/// The functions of `tokenlog.h`. Those that compute are called without leaving the state of Java
/// code, so that they may read and write arrays; a garbage collection then waits for them, which is
/// why [NativeKernels] keeps each call short.
///
/// @param file where it was loaded from; it may be gone
/// @param symbols what is linked when it is first called
/// @param tiers in the library's order, the best first; a tier's number is its place here
/// @param codes that weights may be stored in; a code's number is its place here
record NativeLibrary(Path file, SymbolLookup symbols, List<Tier> tiers, List<Code> codes) {

    /// `TOKENLOG_ABI` of the header that this class was written for.
    static final int ABI = 10;

    /// @param usable whether this processor and operating system have its instructions
    record Tier(int number, String name, boolean usable) {}

    /// A row of `CODE_LIST`.
    ///
    /// @param name as in [NumberCode#label()]
    /// @param activationBits 8 or 16, what it is multiplied by
    record Code(int number, String name, int activationBits) {

        boolean meets(ActivationCode activations) {
            return activationBits == (activations == ActivationCode.BITS_8 ? 8 : 16);
        }
    }

    /// The row of a code, if this library has it.
    Optional<Code> code(NumberCode code) {
        return codes.stream().filter(row -> row.name().equals(code.label())).findFirst();
    }

    /// Either a library or the reason why there is none.
    sealed interface Result {}

    record Loaded(NativeLibrary library) implements Result {}

    record Missing(String reason, String remedy) implements Result {}

    /// What classes ask for when they first call it: to link a function takes 10 ms of a new
    /// process.
    private static final List<String> CALLED =
            List.of(
                    "tiers",
                    "tier_name",
                    "tier_usable",
                    "codes",
                    "code_name",
                    "code_activations",
                    "packed_bytes",
                    "pack",
                    "map",
                    "unmap",
                    "prefetch",
                    "quantize",
                    "multiply",
                    "attend",
                    "store",
                    "rms_norm",
                    "gate",
                    "add",
                    "all_finite",
                    "rotate",
                    "encode",
                    "encodes",
                    "sha256",
                    "sha256_usable",
                    "read",
                    "yardstick");

    private static final String BUILD_AGAIN = "build engine-native of this version again";
    private static final Linker LINKER = Linker.nativeLinker();
    private static final Linker.Option ON_ARRAYS = Linker.Option.critical(true);

    /// Loads a library and checks that it is of this version. The library stays loaded.
    static Result open(Path file) {
        try {
            Optional<String> problem = ElfFile.problem(file, Platform.current());
            return problem.isPresent()
                    ? new Missing(file + " " + problem.get(), BUILD_AGAIN)
                    : open(file, SymbolLookup.libraryLookup(file, Arena.global()));
        } catch (NoSuchFileException missing) {
            return new Missing(file + " is not there", BUILD_AGAIN);
        } catch (IOException | IllegalArgumentException failure) {
            return new Missing(file + " cannot be loaded: " + failure, BUILD_AGAIN);
        } catch (NoSuchElementException symbol) {
            return new Missing(file + " lacks a function: " + symbol.getMessage(), BUILD_AGAIN);
        }
    }

    private static Result open(Path file, SymbolLookup symbols) {
        if (symbols.find("tokenlog_abi").isEmpty()) {
            return new Missing(file + " is no library of kernels", BUILD_AGAIN);
        }
        int abi = callInt(function(symbols, "tokenlog_abi", JAVA_INT));
        if (abi != ABI) {
            return new Missing(
                    "%s has interface %d, this version of Tokenlog needs %d"
                            .formatted(file, abi, ABI),
                    BUILD_AGAIN);
        }
        for (String name : CALLED) {
            symbols.findOrThrow("tokenlog_" + name);
        }
        return new Loaded(new NativeLibrary(file, symbols, tiers(symbols), codes(symbols)));
    }

    private static List<Tier> tiers(SymbolLookup symbols) {
        int count = callInt(function(symbols, "tokenlog_tiers", JAVA_INT));
        MethodHandle name = function(symbols, "tokenlog_tier_name", ADDRESS, JAVA_INT);
        MethodHandle usable = function(symbols, "tokenlog_tier_usable", JAVA_INT, JAVA_INT);
        List<Tier> tiers = new ArrayList<>();
        for (int tier = 0; tier < count; tier++) {
            tiers.add(new Tier(tier, text(name, tier), number(usable, tier) != 0));
        }
        return List.copyOf(tiers);
    }

    private static List<Code> codes(SymbolLookup symbols) {
        int count = callInt(function(symbols, "tokenlog_codes", JAVA_INT));
        MethodHandle name = function(symbols, "tokenlog_code_name", ADDRESS, JAVA_INT);
        MethodHandle bits = function(symbols, "tokenlog_code_activations", JAVA_INT, JAVA_INT);
        List<Code> codes = new ArrayList<>();
        for (int code = 0; code < count; code++) {
            codes.add(new Code(code, text(name, code), number(bits, code)));
        }
        return List.copyOf(codes);
    }

    private static String text(MethodHandle function, int index) {
        try {
            MemorySegment text = (MemorySegment) function.invokeExact(index);
            return text.reinterpret(100).getString(0);
        } catch (Throwable failure) {
            throw unexpected(failure);
        }
    }

    private static int number(MethodHandle function, int index) {
        try {
            return (int) function.invokeExact(index);
        } catch (Throwable failure) {
            throw unexpected(failure);
        }
    }

    /// A function that may take its time.
    MethodHandle function(String name, MemoryLayout result, MemoryLayout... parameters) {
        return function(symbols, name, result, parameters);
    }

    private static MethodHandle function(
            SymbolLookup symbols, String name, MemoryLayout result, MemoryLayout... parameters) {
        return LINKER.downcallHandle(
                symbols.findOrThrow(name), FunctionDescriptor.of(result, parameters));
    }

    /// One without a result.
    MethodHandle procedure(String name, MemoryLayout... parameters) {
        return LINKER.downcallHandle(
                symbols.findOrThrow(name), FunctionDescriptor.ofVoid(parameters));
    }

    /// One that computes.
    MethodHandle kernel(String name, MemoryLayout... parameters) {
        return LINKER.downcallHandle(
                symbols.findOrThrow(name), FunctionDescriptor.ofVoid(parameters), ON_ARRAYS);
    }

    /// A kernel that answers 1 or 0.
    MethodHandle question(String name, MemoryLayout... parameters) {
        return LINKER.downcallHandle(
                symbols.findOrThrow(name), FunctionDescriptor.of(JAVA_INT, parameters), ON_ARRAYS);
    }

    private static int callInt(MethodHandle function) {
        try {
            return (int) function.invokeExact();
        } catch (Throwable failure) {
            throw unexpected(failure);
        }
    }

    /// What a method handle is declared to throw, but a C function never does.
    static RuntimeException unexpected(Throwable failure) {
        return switch (failure) {
            case RuntimeException thrown -> thrown;
            case Error thrown -> throw thrown;
            case Throwable thrown -> new IllegalStateException(thrown);
        };
    }
}
