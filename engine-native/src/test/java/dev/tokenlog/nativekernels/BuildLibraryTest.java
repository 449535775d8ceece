package dev.tokenlog.nativekernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The build of the library with and without a compiler, and what a user is then told to do.
class BuildLibraryTest {

    /// What the script calls besides a compiler.
    private static final List<String> TOOLS =
            List.of("sh", "uname", "mkdir", "rm", "find", "mktemp", "grep", "head", "cp", "mv");

    @TempDir private Path folder;

    /// The remedy that is given where there is no compiler works: nothing but the compiler was
    /// missing.
    @Test
    void withoutACompilerThereIsAReasonAndWithOneALibrary() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path tools = Files.createDirectory(folder.resolve("tools"));
        for (String tool : TOOLS) {
            Path script =
                    Files.writeString(
                            tools.resolve(tool),
                            "#!/bin/sh\nexec %s \"$@\"\n".formatted(find(tool)));
            assertThat(script.toFile().setExecutable(true)).isTrue();
        }
        Path out = folder.resolve("out");

        Compiler.Outcome without = build(tools.toString(), out);
        NativeLibrary.Missing missing = LibraryFile.notBuilt(report(out), Platform.current());

        assertThat(without.status()).describedAs(without.output()).isZero();
        assertThat(missing.reason())
                .isEqualTo("no C compiler (cc, gcc, clang) was there when Tokenlog was built");
        assertThat(missing.remedy()).contains("install").contains("build Tokenlog again");
        assertThat(out.resolve(Platform.current().label())).doesNotExist();

        Compiler.Outcome with = build(System.getenv("PATH"), out);

        assertThat(with.status()).describedAs(with.output()).isZero();
        assertThat(report(out).getProperty("built")).startsWith(Platform.current().label());
        assertThat(
                        NativeLibrary.open(
                                out.resolve(Platform.current().label()).resolve("libtokenlog.so")))
                .isInstanceOf(NativeLibrary.Loaded.class);
        assertThat(out.resolve("tokenlog_kernels.h")).exists();
    }

    @Test
    void isLeftAloneUntilFlagsOrCompilerChange() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path out = folder.resolve("out");
        build(System.getenv("PATH"), out);

        Compiler.Outcome same = build(System.getenv("PATH"), out);
        List<String> other = new ArrayList<>(command(out));
        other.add("--no-such-flag");
        Compiler.Outcome flag = Compiler.execute(other);

        assertThat(same.output()).isEmpty();
        assertThat(report(out).getProperty("with")).contains("-O1");
        assertThat(flag.status()).isNotZero();
        assertThat(flag.output()).contains("no-such-flag");

        Compiler.Outcome broken =
                Compiler.execute(command(out), Map.of("CC", folder.resolve("no-cc").toString()));

        assertThat(broken.status()).describedAs(broken.output()).isZero();
        assertThat(report(out).getProperty("missing")).contains("no-cc does not work");
        assertThat(out.resolve(Platform.current().label())).doesNotExist();
    }

    @Test
    void anErrorInOurSourcesEndsTheBuild() throws Exception {
        Compiler.local().assumeAvailable(folder);
        Path sources = Files.createDirectory(folder.resolve("sources"));
        try (Stream<Path> files = Files.list(Compiler.SOURCES)) {
            for (Path file : files.toList()) {
                Files.copy(file, sources.resolve(file.getFileName()));
            }
        }
        Files.writeString(sources.resolve("library.c"), "no C\n");
        Path out = folder.resolve("out");

        Compiler.Outcome outcome =
                Compiler.execute(
                        List.of(
                                "sh",
                                sources.resolve("build-library").toString(),
                                sources.toString(),
                                out.toString()));

        assertThat(outcome.status()).isNotZero();
        assertThat(out.resolve(Platform.current().label())).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource(
            textBlock =
                    """
                    'ID=debian',                              apt-get install gcc libc6-dev
                    'ID=pop\nID_LIKE="ubuntu debian"',        apt-get install gcc libc6-dev
                    'ID="rocky"\nID_LIKE="rhel centos"',      dnf install gcc glibc-devel
                    'ID="opensuse-leap"\nID_LIKE="suse"',     zypper install gcc glibc-devel
                    'ID=arch',                                pacman -S gcc
                    'ID=alpine',                              apk add gcc musl-dev
                    'ID=something',                           install gcc or clang
                    '',                                       install gcc or clang
                    """)
    void theRemedyIsTheSystemsOwn(String osRelease, String expected) throws Exception {
        Path file = Files.writeString(folder.resolve("os-release"), osRelease.replace("\\n", "\n"));
        Properties report = new Properties();
        report.setProperty("missing", "no C compiler");

        NativeLibrary.Missing missing =
                LibraryFile.notBuilt(report, Platform.of("Linux", "amd64", file));

        assertThat(missing.remedy()).contains(expected).contains("build Tokenlog again");
    }

    @Test
    void aLibraryForAnotherMachineAndAnUnsupportedOneSaySo() {
        Properties report = new Properties();
        report.setProperty("built", "linux-x86_64, TIER(avx2)");
        Path nowhere = folder.resolve("none");

        assertThat(LibraryFile.notBuilt(report, Platform.of("Linux", "arm64", nowhere)).reason())
                .contains("linux-x86_64, TIER(avx2)")
                .endsWith("this is linux-aarch64");
        assertThat(
                        LibraryFile.notBuilt(
                                        new Properties(), Platform.of("Mac OS X", "arm64", nowhere))
                                .remedy())
                .contains("Linux on x86-64 and AArch64");
    }

    private static Path find(String tool) {
        Path found =
                Stream.of(System.getenv("PATH").split(":"))
                        .map(folder -> Path.of(folder, tool))
                        .filter(Files::isExecutable)
                        .findFirst()
                        .orElse(null);
        assumeTrue(found != null, "skipped: no " + tool);
        return found;
    }

    private static List<String> command(Path out) {
        return List.of(
                "sh",
                Compiler.SOURCES.resolve("build-library").toString(),
                Compiler.SOURCES.toString(),
                out.toString(),
                "-O1"); // sooner done
    }

    private static Compiler.Outcome build(String path, Path out) throws Exception {
        return Compiler.execute(command(out), Map.of("PATH", path));
    }

    private static Properties report(Path out) throws Exception {
        Properties properties = new Properties();
        try (var reader = Files.newBufferedReader(out.resolve("build.properties"))) {
            properties.load(reader);
        }
        return properties;
    }
}
