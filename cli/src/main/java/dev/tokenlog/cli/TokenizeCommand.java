package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import java.io.BufferedReader;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "tokenize",
        description =
                "Reads JSON strings from standard input, one a line; writes a JSON list of token ids for"
                        + " each. Without a broker.")
final class TokenizeCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private HubOptions hub;

    @Parameters(paramLabel = "MODEL", description = HubOptions.MODEL)
    private String model;

    @Option(
            names = "--no-special",
            description = "Without the tokens that the tokenizer adds by itself.")
    private boolean noSpecial;

    @Option(names = "--decode", description = "The other way: lists of ids to strings.")
    private boolean decode;

    @Override
    public Integer call() throws IOException {
        String local = hub.local(model, Hub.Part.TOKENIZER, common);
        try (ModelFolders.ModelFiles files = ModelFolders.files(local);
                ModelTokenizer tokenizer = ModelTokenizer.open(files.folder());
                BufferedReader lines = common.input()) {
            tokenizer.warning().ifPresent(common.terminal()::err);
            int number = 0;
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                number++;
                if (line.isBlank()) {
                    continue;
                }
                JsonNode given = Json.read(line, "line " + number);
                JsonNode answer =
                        decode
                                ? Json.of(tokenizer.decode(ids(given, number), noSpecial))
                                : Json.of(tokenizer.encode(text(given, number), !noSpecial));
                common.terminal().line(Json.text(answer));
            }
        }
        return ExitStatus.DONE;
    }

    private static String text(JsonNode given, int number) {
        if (!given.isTextual()) {
            throw CommandFailure.usage("line %d is not a JSON string".formatted(number));
        }
        return given.textValue();
    }

    private static int[] ids(JsonNode given, int number) {
        if (!given.isArray()) {
            throw CommandFailure.usage("line %d is not a JSON list of ids".formatted(number));
        }
        int[] ids = new int[given.size()];
        for (int i = 0; i < ids.length; i++) {
            if (!given.get(i).isInt()) {
                throw CommandFailure.usage(
                        "line %d holds %s, expected whole numbers".formatted(number, given.get(i)));
            }
            ids[i] = given.get(i).intValue();
        }
        return ids;
    }
}
