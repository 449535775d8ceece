package dev.tokenlog.nativekernels;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Properties;
import java.util.stream.Stream;

/// An operating system and a processor, as `build-library` calls them.
///
/// @param label for instance `linux-x86_64`
/// @param distributions identifiers of `/etc/os-release`, its own first, then those it is like
record Platform(String label, List<String> distributions) {

    private static final String X86_64 = "linux-x86_64";
    private static final String AARCH64 = "linux-aarch64";

    static Platform current() {
        return of(
                System.getProperty("os.name"),
                System.getProperty("os.arch"),
                Path.of("/etc/os-release"));
    }

    /// @param name `os.name`
    /// @param processor `os.arch`, which has several words for the same
    static Platform of(String name, String processor, Path osRelease) {
        String machine =
                switch (processor) {
                    case "amd64", "x86_64" -> "x86_64";
                    case "aarch64", "arm64" -> "aarch64";
                    default -> processor;
                };
        String label = name.toLowerCase(Locale.ROOT).replace(' ', '-') + "-" + machine;
        return new Platform(label, distributions(osRelease));
    }

    private static List<String> distributions(Path osRelease) {
        Properties properties = new Properties();
        try (var reader = Files.newBufferedReader(osRelease)) {
            properties.load(reader);
        } catch (IOException | IllegalArgumentException e) {
            return List.of();
        }
        return Stream.of("ID", "ID_LIKE")
                .map(key -> properties.getProperty(key, "").replace("\"", "").trim())
                .flatMap(value -> Stream.of(value.split(" +")))
                .filter(word -> !word.isEmpty())
                .toList();
    }

    /// Whether the sources are written for it.
    boolean supported() {
        return label.equals(X86_64) || label.equals(AARCH64);
    }

    /// `e_machine` of a library for it.
    int elfMachine() {
        return label.equals(AARCH64) ? 183 : 62;
    }

    /// How this system gets a C compiler.
    String installCompiler() {
        return distributions.stream()
                .map(Platform::command)
                .filter(command -> !command.isEmpty())
                .findFirst()
                .map(command -> "install a C compiler: " + command)
                .orElse("install gcc or clang with the headers of the C library");
    }

    private static String command(String distribution) {
        return switch (distribution) {
            case "debian", "ubuntu" -> "apt-get install gcc libc6-dev";
            case "fedora", "rhel", "centos", "amzn" -> "dnf install gcc glibc-devel";
            case "suse", "opensuse", "sles" -> "zypper install gcc glibc-devel";
            case "arch" -> "pacman -S gcc";
            case "alpine" -> "apk add gcc musl-dev";
            default -> "";
        };
    }
}
