package dev.tokenlog.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/// The table of `ARCHITECTURE.md`: a package uses only packages above it.
class PackageOrderTest {

    private static final Path SOURCES = Path.of("src/main/java/dev/tokenlog/engine");

    private static final Pattern ROW = Pattern.compile("^\\| `([a-z]+)` \\|");

    /// A name of the engine, outside of comments: in an import, or written out.
    private static final Pattern USE =
            Pattern.compile(
                    "^(?!\\s*//).*\\bdev\\.tokenlog\\.engine\\.([a-z]+)\\.", Pattern.MULTILINE);

    @Test
    void everyPackageStandsInTheTable() throws IOException {
        try (Stream<Path> folders = Files.list(SOURCES)) {
            assertThat(folders.filter(Files::isDirectory).map(f -> f.getFileName().toString()))
                    .containsExactlyInAnyOrderElementsOf(order());
        }
    }

    @Test
    void aPackageUsesOnlyPackagesAboveIt() throws IOException {
        List<String> order = order();
        Set<String> wrong = new TreeSet<>();
        for (String user : order) {
            for (String used : uses(SOURCES.resolve(user))) {
                if (order.indexOf(used) > order.indexOf(user)) {
                    wrong.add(user + " uses " + used);
                }
            }
        }
        assertThat(wrong).isEmpty();
    }

    private static List<String> order() throws IOException {
        List<String> lines = Files.readAllLines(Path.of("../ARCHITECTURE.md"));
        return lines.subList(lines.indexOf("| Package | Purpose |"), lines.size()).stream()
                .takeWhile(line -> line.startsWith("|"))
                .map(ROW::matcher)
                .filter(Matcher::find)
                .map(row -> row.group(1))
                .toList();
    }

    private static Set<String> uses(Path folder) throws IOException {
        Set<String> used = new TreeSet<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(f -> f.toString().endsWith(".java")).toList()) {
                Matcher uses = USE.matcher(Files.readString(file));
                while (uses.find()) {
                    used.add(uses.group(1));
                }
            }
        }
        return used;
    }
}
