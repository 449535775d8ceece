package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.engine.architecture.RotaryCast;
import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.artifact.ReplannedModel;
import dev.tokenlog.engine.artifact.SourceModel;
import dev.tokenlog.engine.compute.KvType;
import dev.tokenlog.engine.format.npy.NpyWriter;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.TokenizerSource;
import dev.tokenlog.engine.transformer.CpuExecutor;
import dev.tokenlog.engine.transformer.CpuOptions;
import dev.tokenlog.engine.transformer.Logits;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "logits",
        description =
                "Writes the logits that follow each token: of a source folder or a GGUF file in float arithmetic, of an"
                        + " artifact in its own. Without a broker.")
final class LogitsCommand implements Callable<Integer> {

    /// Whoever compares with such a reference sees hundredths of a standard deviation and no cause.
    private static final String ROTARY_NOTE =
            "weights in BF16, rotary frequencies unrounded as from_pretrained of transformers keeps them;"
                    + " for a reference of a module cast as a whole add --rotary-cast bfloat16";

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private HubOptions hub;

    @Parameters(
            paramLabel = "MODEL",
            description = HubOptions.MODEL + " A folder may be an artifact.")
    private String model;

    @ArgGroup(multiplicity = "1")
    private Ids ids;

    private static final class Ids {
        @Option(names = "--ids", split = ",", paramLabel = "N", description = "Token ids: 1,2,3.")
        private List<Integer> list;

        @Option(
                names = "--ids-file",
                paramLabel = "FILE",
                description = "JSON with the list input_ids.")
        private Path file;
    }

    @Option(
            names = "--out",
            paramLabel = "FILE.npy",
            description = "Where the float32 logits [tokens, vocabulary] go.")
    private Path out;

    @Option(
            names = "--greedy",
            paramLabel = "N",
            description = "Print the next N token ids, the likeliest each time, as JSON.")
    private Integer greedy;

    @Option(
            names = "--compute",
            defaultValue = "auto",
            description = "Kernels: auto, native, vector, scalar (default: auto).")
    private String compute;

    @Option(
            names = "--kv",
            paramLabel = "TYPE",
            description =
                    "Keys and values in 8, 16 or 32 bit: kv8, kv16, kv32 (default: kv16; kv32 for a"
                            + " model in float).")
    private String kv;

    @Option(names = "--threads", description = "Threads that compute (default: all).")
    private Integer threads;

    @Option(
            names = "--rotary-cast",
            paramLabel = "bfloat16",
            description =
                    "Round the rotary inverse frequencies (and Gemma's embedding scale) to BF16, as a"
                            + " module-wide .to(torch.bfloat16) in PyTorch does: only to compare with"
                            + " references made that way. transformers' own from_pretrained does not.")
    private String rotaryCast;

    @Override
    public Integer call() throws IOException {
        if (greedy != null && greedy < 0) {
            throw CommandFailure.usage("--greedy: 0 or more tokens, not " + greedy);
        }
        if (out == null && greedy == null) {
            throw CommandFailure.usage("nothing to do: give --out FILE.npy, --greedy N or both");
        }
        int[] tokens = tokens();
        CpuOptions options = CpuOptions.automatic().withCompute(compute);
        if (kv != null) {
            options = options.withKv(KvType.of(kv));
        }
        if (threads != null) {
            options = withThreads(options);
        }
        if (rotaryCast != null && !rotaryCast.equals("bfloat16")) {
            throw CommandFailure.usage("--rotary-cast takes bfloat16, not '" + rotaryCast + "'");
        }
        String local = hub.local(model, Hub.Part.MODEL, common);
        try (Model opened = cast(ModelFolders.open(local));
                CpuExecutor executor = CpuExecutor.open(opened, options)) {
            common.terminal().err(executor.description());
            if (rotaryCast == null && isBfloat16(opened)) {
                common.terminal().err(ROTARY_NOTE);
            }
            int vocabulary = executor.plan().vocabularySize();
            for (int token : tokens) {
                if (token < 0 || token >= vocabulary) {
                    throw CommandFailure.usage(
                            "token id %d is not in the vocabulary of %d"
                                    .formatted(token, vocabulary));
                }
            }
            if (out != null) {
                write(Logits.of(executor, tokens), vocabulary);
            }
            ObjectNode answer = Json.object().put("numerics_id", executor.numericsId());
            if (greedy != null) {
                int[] next =
                        Logits.greedy(executor, tokens, greedy, endOfSequence(opened.folder()));
                answer.set("token_ids", Json.of(next));
                if (!output.json) {
                    common.terminal().line(Json.text(Json.of(next)));
                }
            }
            if (output.json) {
                answer.put("tokens", tokens.length).put("vocabulary", vocabulary);
                if (out != null) {
                    answer.put("out", out.toString());
                }
                common.terminal().line(Json.text(answer));
            }
        }
        return ExitStatus.DONE;
    }

    private static boolean isBfloat16(Model opened) {
        return opened instanceof SourceModel source && source.dataType().equals("BF16");
    }

    private Model cast(Model opened) {
        return rotaryCast == null
                ? opened
                : new ReplannedModel(opened, RotaryCast.toBfloat16(opened.plan()));
    }

    private CpuOptions withThreads(CpuOptions options) {
        try {
            return options.withThreads(threads);
        } catch (IllegalArgumentException e) {
            throw new CommandFailure(ExitStatus.USAGE, "--" + e.getMessage(), e);
        }
    }

    private int[] tokens() throws IOException {
        List<Integer> list = ids.list;
        if (list == null) {
            JsonNode read = Json.read(Files.readString(ids.file), ids.file.toString());
            JsonNode found = read.isArray() ? read : read.path("input_ids");
            if (!found.isArray()) {
                throw CommandFailure.usage("%s has no list input_ids".formatted(ids.file));
            }
            list = new ArrayList<>();
            for (JsonNode each : found) {
                if (!each.isInt()) {
                    throw CommandFailure.usage(
                            "%s: input_ids holds %s, expected whole numbers"
                                    .formatted(ids.file, each));
                }
                list.add(each.intValue());
            }
        }
        if (list.isEmpty()) {
            throw CommandFailure.usage("no token ids were given");
        }
        return list.stream().mapToInt(Integer::intValue).toArray();
    }

    private static int[] endOfSequence(Path folder) {
        if (!TokenizerSource.isIn(folder)) {
            return new int[0];
        }
        try (ModelTokenizer tokenizer = ModelTokenizer.open(folder)) {
            return tokenizer.endOfSequence().stream().mapToInt(Integer::intValue).toArray();
        }
    }

    private void write(float[][] logits, int vocabulary) {
        try (NpyWriter npy = new NpyWriter(out, logits.length, vocabulary)) {
            for (float[] row : logits) {
                npy.write(row, 0, vocabulary);
            }
        }
    }
}
