package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.compute.KernelSelection;
import java.io.OutputStream;
import java.net.URI;
import java.net.URL;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A library that cannot be used is a reason with a remedy, never an exception.
class NativeLibraryTest {

    @TempDir private Path folder;

    @Test
    void anotherVersionIsRefused() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path library = Compiler.local().library("int tokenlog_abi(void) { return 99; }\n", folder);

        assertThat(NativeLibrary.open(library))
                .isEqualTo(
                        new NativeLibrary.Missing(
                                library
                                        + " has interface 99, this version of Tokenlog needs "
                                        + NativeLibrary.ABI,
                                "build engine-native of this version again"));
    }

    @Test
    void anotherLibraryIsRefused() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path library = Compiler.local().library("int something_else(void) { return 1; }\n", folder);

        assertThat(NativeLibrary.open(library))
                .isEqualTo(
                        new NativeLibrary.Missing(
                                library + " is no library of kernels",
                                "build engine-native of this version again"));
    }

    @Test
    void oneThatLacksAFunctionIsRefused() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path library =
                Compiler.local()
                        .library(
                                "int tokenlog_abi(void) { return %d; }\n"
                                        .formatted(NativeLibrary.ABI),
                                folder);

        assertThat(NativeLibrary.open(library))
                .isInstanceOfSatisfying(
                        NativeLibrary.Missing.class,
                        missing ->
                                assertThat(missing.reason())
                                        .startsWith(library + " lacks a function: ")
                                        .contains("tokenlog_tiers"));
    }

    @Test
    void whatIsNoLibraryIsRefused() throws Exception {
        Path text = Files.writeString(folder.resolve("libtext.so"), "no machine code, ".repeat(9));
        Path empty = Files.writeString(folder.resolve("libempty.so"), "");

        assertRefused(text, text + " is no ELF file");
        assertRefused(empty, empty + " is cut off");
        assertRefused(folder, folder + " cannot be loaded: ");
        assertRefused(folder.resolve("none.so"), folder.resolve("none.so") + " is not there");
    }

    @Test
    void anUnreadableLibraryIsRefused() throws Exception {
        Path file = Files.writeString(folder.resolve("libsecret.so"), "x");
        Files.setPosixFilePermissions(file, Set.of());
        assumeTrue(!Files.isReadable(file), "skipped: this user may read everything");

        assertRefused(file, file + " cannot be loaded: ");
    }

    /// The system's loader maps what the headers promise, and the process ends where it is not.
    @Test
    void aLibraryThatIsCutOffAnywhereIsRefused() throws Exception {
        Compiler.local().assumeAvailable(folder);
        byte[] whole =
                Files.readAllBytes(
                        Compiler.local().library("int tokenlog_abi(void) { return 1; }", folder));
        Path file = folder.resolve("libcut.so");
        long segments = endOfSegments(whole);
        for (int size : new int[] {1, 63, 64, 200, (int) segments / 2, (int) segments - 1}) {
            Files.write(file, Arrays.copyOf(whole, size));

            assertRefused(file, file + " is cut off");
        }
    }

    private static long endOfSegments(byte[] elf) {
        ByteBuffer file = ByteBuffer.wrap(elf).order(ByteOrder.LITTLE_ENDIAN);
        long end = 0;
        for (int i = 0; i < file.getShort(56); i++) {
            int at = (int) file.getLong(32) + i * 56;
            end = Math.max(end, file.getLong(at + 8) + file.getLong(at + 32));
        }
        return end;
    }

    @Test
    void aLibraryForAnotherProcessorIsRefused() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path library = Compiler.local().library("int tokenlog_abi(void) { return 1; }", folder);
        byte[] bytes = Files.readAllBytes(library);
        bytes[18] = (byte) 243;
        Path file = Files.write(folder.resolve("libriscv.so"), bytes);

        assertRefused(
                file,
                "%s is no shared library for %s (machine 243)"
                        .formatted(file, Platform.current().label()));
    }

    private static void assertRefused(Path file, String reason) {
        assertThat(NativeLibrary.open(file))
                .isInstanceOfSatisfying(
                        NativeLibrary.Missing.class,
                        missing -> assertThat(missing.reason()).startsWith(reason));
    }

    @Test
    void itIsChosenAutomaticallyAndATierByName() {
        assumeTrue(
                LoadedLibrary.RESULT instanceof NativeLibrary.Loaded,
                () -> "skipped: " + LoadedLibrary.RESULT);

        assertThat(KernelSelection.select("auto").kernels()).isInstanceOf(NativeKernels.class);
        NativeLibrary library = LoadedLibrary.LIBRARY;
        for (NativeLibrary.Tier tier : library.tiers()) {
            String name = "native-" + tier.name();
            if (tier.usable()) {
                assertThat(KernelSelection.select(name).explanation())
                        .contains(name.toUpperCase(Locale.ROOT) + " native " + tier.name());
            }
        }
    }

    @Test
    void namedWhereItCannotBeItSaysWhyAndOtherwiseFallsBackVisibly() throws Exception {
        Path missing = folder.resolve("libnone.so");
        String flag = "-Dtokenlog.native.library=" + missing;

        Compiler.Outcome named = select(flag, "native");
        Compiler.Outcome automatic = select(flag, "auto");

        assertThat(named.status()).isNotZero();
        assertThat(named.output())
                .contains("tokenlog.compute=native cannot be used: " + missing)
                .contains("build engine-native of this version again");
        assertThat(automatic.status()).describedAs(automatic.output()).isZero();
        assertThat(automatic.output())
                .contains("compute: VECTOR")
                .contains("skipped NATIVE: " + missing);
    }

    /// A processor without some instructions is played by a library that does not see them.
    @Test
    void aTierThatTheProcessorLacksIsRefusedByNameAndPassedOverOtherwise() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path library =
                changed(
                        "library.c",
                        "(const Processor *p) {\n  return has_avx2(p) && has(p->ebx7, 16)",
                        "(const Processor *p) {\n  return 0 && has_avx2(p) && has(p->ebx7, 16)");
        String flag = "-Dtokenlog.native.library=" + library;

        Compiler.Outcome named = select(flag, "native-avx512vnni");
        Compiler.Outcome automatic = select(flag, "auto");

        assertThat(named.status()).isNotZero();
        assertThat(named.output())
                .contains(
                        "tokenlog.compute=native-avx512vnni cannot be used:"
                                + " this processor does not have it");
        assertThat(automatic.status()).describedAs(automatic.output()).isZero();
        assertThat(automatic.output()).doesNotContain("avx512vnni");
    }

    /// A machine on which products come out wrong is played by a library that rounds wrongly.
    @Test
    void kernelsThatFailTheProbeAreNotUsedAndEverybodyHearsIt() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path library = changed("kernels.c", "maximum / limit;", "maximum / limit * 2;");
        String flag = "-Dtokenlog.native.library=" + library;

        Compiler.Outcome named = select(flag, "native");
        Compiler.Outcome automatic = select(flag, "auto");

        assertThat(named.status()).isNotZero();
        assertThat(named.output()).contains("a known product is -22.5 but came out as -45.0");
        assertThat(automatic.output())
                .contains("compute: VECTOR", "skipped NATIVE: ", "a known product is -22.5");
        Path program = Compiler.local().program("programs_test.c", List.of(), folder);
        Compiler.Outcome other =
                Compiler.execute(List.of(program.toString(), library.toString(), "1"));
        assertThat(other.status()).isEqualTo(1);
        assertThat(other.output()).contains("a known matrix was multiplied wrongly");
    }

    /// Our library, from sources with a fault.
    private Path changed(String name, String from, String to) throws Exception {
        Path sources = Files.createDirectory(folder.resolve("changed"));
        try (Stream<Path> files = Files.list(Compiler.SOURCES)) {
            for (Path file : files.toList()) {
                Files.copy(file, sources.resolve(file.getFileName()));
            }
        }
        Path changed = sources.resolve(name);
        String text = Files.readString(changed);
        assumeTrue(
                text.contains(from) && Platform.current().label().equals("linux-x86_64"),
                "skipped: the change is for x86-64");
        Files.writeString(changed, text.replace(from, to));
        return Compiler.local("-O1").kernels(sources, folder.resolve("faulty"));
    }

    /// A process asks once and keeps the answer, and who asks may be about to be stopped.
    @Test
    void anInterruptedThreadLoadsItAsWell() {
        assumeTrue(
                LoadedLibrary.RESULT instanceof NativeLibrary.Loaded,
                () -> "skipped: " + LoadedLibrary.RESULT);
        Thread.currentThread().interrupt();

        NativeLibrary.Result result = LibraryFile.load();

        assertThat(Thread.interrupted()).isTrue();
        assertThat(result).isInstanceOf(NativeLibrary.Loaded.class);
    }

    @Test
    void aJarIsUnpackedOnceAndABrokenCopyReplaced() throws Exception {
        byte[] content = {1, 2, 3};
        URL resource = resourceInAJar(content);
        Path cache = folder.resolve("cache");

        Path file = LibraryFile.file(resource, cache);
        assertThat(file).hasBinaryContent(content);
        Files.write(file, new byte[] {9});

        assertThat(LibraryFile.file(resource, cache)).isEqualTo(file).hasBinaryContent(content);
        try (Stream<Path> files = Files.walk(cache)) {
            assertThat(files.filter(Files::isRegularFile)).containsExactly(file);
        }
    }

    /// Where nothing can be written to the cache, the library is loaded from a folder that goes
    /// again.
    @Test
    void aCacheThatCannotBeWrittenIsPassedOver() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path library = Compiler.local().library("int tokenlog_abi(void) { return 99; }", folder);
        URL resource = resourceInAJar(Files.readAllBytes(library));
        Path inTheWay = Files.writeString(folder.resolve("cache"), "a file, no folder");

        NativeLibrary.Result result = LibraryFile.load(resource, inTheWay);

        assertThat(result)
                .isInstanceOfSatisfying(
                        NativeLibrary.Missing.class,
                        missing ->
                                assertThat(missing.reason())
                                        .contains("tokenlog-native-", "has interface 99"));
        try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
            String own = ((NativeLibrary.Missing) result).reason().split("/")[2];
            assertThat(files.map(file -> file.getFileName().toString())).doesNotContain(own);
        }
    }

    @Test
    void manyProcessesUnpackAtOnce() throws Exception {
        byte[] content = new byte[1 << 20];
        new Random(1).nextBytes(content);
        URL resource = resourceInAJar(content);
        Path cache = folder.resolve("cache");
        List<Callable<byte[]>> all = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            all.add(() -> Files.readAllBytes(LibraryFile.file(resource, cache)));
        }

        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            for (Future<byte[]> read : threads.invokeAll(all)) {
                assertThat(read.get()).isEqualTo(content);
            }
        }
        try (Stream<Path> files = Files.walk(cache)) {
            assertThat(files.filter(Files::isRegularFile)).hasSize(1);
        }
    }

    private URL resourceInAJar(byte[] content) throws Exception {
        Path jar = folder.resolve("some.jar");
        try (OutputStream stream = Files.newOutputStream(jar);
                ZipOutputStream zip = new ZipOutputStream(stream)) {
            zip.putNextEntry(new ZipEntry("lib.so"));
            zip.write(content);
        }
        return URI.create("jar:" + jar.toUri() + "!/lib.so").toURL();
    }

    private static Compiler.Outcome select(String flag, String choice) throws Exception {
        return Compiler.execute(
                List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-modules=jdk.incubator.vector",
                        "--enable-native-access=ALL-UNNAMED",
                        flag,
                        "-cp",
                        System.getProperty("java.class.path"),
                        PrintSelection.class.getName(),
                        choice));
    }

    static final class PrintSelection {
        public static void main(String[] arguments) {
            System.out.println(KernelSelection.select(arguments[0]).explanation());
        }
    }
}
