package dev.tokenlog.cli;

import dev.tokenlog.artifactstore.hub.Hub;
import dev.tokenlog.engine.artifact.Inspection;
import dev.tokenlog.engine.artifact.TensorValues;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "inspect",
        description =
                "Tensors, types, shapes and digests of a safetensors, GGUF or NPZ file, a numpy array, a manifest"
                        + " or a model's folder; refuses what is broken, by name. Without a broker.")
final class InspectCommand implements Callable<Integer> {

    private static final int LONGEST = 100;

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private HubOptions hub;

    @Parameters(
            paramLabel = "FILE",
            description =
                    "A file, a model's folder, a short name or a model of the hub (ORG/NAME); or 'demo'.")
    private String file;

    @Option(
            names = "--tensor",
            paramLabel = "NAME",
            description = "Write the values of this tensor, decoded, to --out.")
    private String tensor;

    @Option(
            names = "--out",
            paramLabel = "FILE.npy",
            description = "Where the float32 values of --tensor go.")
    private Path out;

    @Override
    public Integer call() {
        if ((tensor == null) != (out == null)) {
            throw CommandFailure.usage("--tensor NAME and --out FILE.npy belong together");
        }
        Path path = ModelFolders.resolve(hub.local(file, Hub.Part.MODEL, common));
        if (tensor != null) {
            TensorValues.write(path, tensor, out);
            return ExitStatus.DONE;
        }
        Inspection found = Inspection.of(path);
        Terminal terminal = common.terminal();
        if (output.json) {
            terminal.line(Json.text(Json.of(found)));
            return ExitStatus.DONE;
        }
        terminal.line("%s  %s".formatted(terminal.bold(found.kind().name()), found.path()));
        found.facts()
                .forEach((name, value) -> terminal.line("%-18s %s".formatted(name, shown(value))));
        Table table =
                new Table("tensor", "type", "shape", "quantization", "bytes", "error", "sha256");
        for (Inspection.TensorFacts each : found.tensors()) {
            table.row(
                    each.name(),
                    each.dtype(),
                    each.shape().stream().map(Object::toString).collect(Collectors.joining("x")),
                    each.quantization() == null ? "" : each.quantization(),
                    "%,d".formatted(each.bytes()),
                    each.relativeError() == null ? "" : EventSummary.percent(each.relativeError()),
                    each.sha256().substring(0, 16));
        }
        table.print(terminal);
        return ExitStatus.DONE;
    }

    /// One short line, whatever a file says: a chat template is long, and may hold anything.
    private static String shown(String value) {
        String cut = value.length() > LONGEST ? value.substring(0, LONGEST) + "…" : value;
        return cut.replaceAll("\\p{Cntrl}", "?");
    }
}
