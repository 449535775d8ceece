package dev.tokenlog.contracts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/// The committed schemas and the AsyncAPI file are those that the records and [Topic] give. After a
/// change of a record they are made again by
///
/// ```
/// ./mvnw -pl contracts test -Dtest=ContractFilesTest -Dtokenlog.regenerate=true
/// ```
class ContractFilesTest {

    private static final Path FOLDER =
            Path.of(System.getProperty("tokenlog.root"))
                    .resolve("contracts/src/main/resources/dev/tokenlog/contracts");

    private static final ObjectWriter JSON = new ObjectMapper().writer(printer());

    /// The same bytes on every system.
    private static DefaultPrettyPrinter printer() {
        DefaultIndenter lines = new DefaultIndenter("  ", "\n");
        return new DefaultPrettyPrinter().withObjectIndenter(lines).withArrayIndenter(lines);
    }

    private static Map<Path, JsonNode> files() {
        Map<Path, JsonNode> files = new LinkedHashMap<>();
        files.put(FOLDER.resolve("asyncapi.json"), AsyncApi.document());
        EventSchemas.types()
                .forEach((topic, types) ->
                        types.forEach(type ->
                                files.put(
                                        FOLDER.resolve("schema")
                                                .resolve(EventSchemas.fileName(type)),
                                        EventSchemas.schema(topic, type))));
        return files;
    }

    @BeforeAll
    static void regenerateIfAsked() throws IOException {
        if (!Boolean.getBoolean("tokenlog.regenerate")) {
            return;
        }
        Files.createDirectories(FOLDER.resolve("schema"));
        for (Map.Entry<Path, JsonNode> file : files().entrySet()) {
            Files.writeString(file.getKey(), text(file.getValue()));
        }
    }

    private static String text(JsonNode content) throws IOException {
        return JSON.writeValueAsString(content) + "\n";
    }

    @TestFactory
    Stream<DynamicTest> filesMatchTheRecords() {
        return files().entrySet().stream()
                .map(file ->
                        dynamicTest(
                                file.getKey().getFileName().toString(),
                                () ->
                                        assertThat(file.getKey())
                                                .as("out of date: see this class")
                                                .exists()
                                                .hasContent(text(file.getValue()))));
    }

    @Test
    void everyReferenceOfTheAsyncApiFileLeadsSomewhere() {
        JsonNode document = AsyncApi.document();
        List<JsonNode> references = document.findValues("$ref");
        assertThat(references).isNotEmpty();
        for (JsonNode reference : references) {
            String target = reference.asText();
            if (target.startsWith("#")) {
                assertThat(document.at(target.substring(1)).isMissingNode()).as(target).isFalse();
            } else {
                assertThat(FOLDER.resolve(target)).exists();
            }
        }
    }

    @Test
    void noSchemaIsLeftOfATypeThatIsGone() throws IOException {
        List<String> expected =
                EventSchemas.types().values().stream()
                        .flatMap(List::stream)
                        .map(EventSchemas::fileName)
                        .toList();
        try (Stream<Path> files = Files.list(FOLDER.resolve("schema"))) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .containsExactlyInAnyOrderElementsOf(expected);
        }
    }
}
