package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.tokenlog.engine.compute.KernelSelection;
import java.io.OutputStream;
import java.net.URI;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A library that cannot be used is a reason with a remedy, never an exception.
class NativeLibraryTest {

    @TempDir private Path folder;

    @Test
    void anotherVersionIsRefused() throws Exception {
        Compiler.assumeAvailable(folder);
        Path library = compile("int tokenlog_abi(void) { return 99; }\n");

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
        Compiler.assumeAvailable(folder);
        Path library = compile("int something_else(void) { return 1; }\n");

        assertThat(NativeLibrary.open(library))
                .isEqualTo(
                        new NativeLibrary.Missing(
                                library + " is no library of kernels",
                                "build engine-native of this version again"));
    }

    @Test
    void whatIsNoLibraryIsRefused() throws Exception {
        Path file = Files.writeString(folder.resolve("libtext.so"), "no machine code");

        assertThat(NativeLibrary.open(file))
                .isInstanceOfSatisfying(
                        NativeLibrary.Missing.class,
                        missing -> assertThat(missing.reason()).contains(file.toString()));
    }

    @Test
    void itIsChosenAutomaticallyAndATierByName() {
        assumeTrue(
                NativeKernels.LIBRARY instanceof NativeLibrary.Loaded,
                () -> "skipped: " + NativeKernels.LIBRARY);

        assertThat(KernelSelection.select("auto").kernels()).isInstanceOf(NativeKernels.class);
        assertThat(KernelSelection.select("native-avx2").explanation())
                .contains("NATIVE-AVX2 native avx2");
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

    @Test
    void aJarIsUnpackedOnceAndABrokenCopyReplaced() throws Exception {
        Path jar = folder.resolve("some.jar");
        byte[] content = {1, 2, 3};
        try (OutputStream stream = Files.newOutputStream(jar);
                ZipOutputStream zip = new ZipOutputStream(stream)) {
            zip.putNextEntry(new ZipEntry("lib.so"));
            zip.write(content);
        }
        URL resource = URI.create("jar:" + jar.toUri() + "!/lib.so").toURL();
        Path cache = folder.resolve("cache");

        Path file = LibraryFile.file(resource, cache);
        assertThat(file).hasBinaryContent(content);
        Files.write(file, new byte[] {9});

        assertThat(LibraryFile.file(resource, cache)).isEqualTo(file).hasBinaryContent(content);
        try (var files = Files.walk(cache)) {
            assertThat(files.filter(Files::isRegularFile)).containsExactly(file);
        }
    }

    private Path compile(String text) throws Exception {
        Path source = Files.writeString(folder.resolve("other.c"), text);
        Path library = folder.resolve("libother.so");
        Compiler.Outcome outcome =
                Compiler.run(
                        List.of("-shared", "-fPIC", source.toString(), "-o", library.toString()));
        assertThat(outcome.status()).describedAs(outcome.output()).isZero();
        return library;
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
