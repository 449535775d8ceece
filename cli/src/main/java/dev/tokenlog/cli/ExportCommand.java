package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.NpzExport;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "export",
        description =
                "Writes a converted model in the form of other programs, with the same values to the bit."
                        + " Without a broker.")
final class ExportCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private StoreOptions store;

    @Parameters(
            paramLabel = "ARTIFACT",
            description =
                    "An artifact's folder, or the model digest sha256-... of one in the store.")
    private String artifact;

    @ArgGroup(multiplicity = "1")
    private Form form;

    private static final class Form {
        @Option(
                names = "--npz",
                paramLabel = "DIR",
                description =
                        "NAME_quantized_q4.npz and NAME_manifest_q4.json for numpy, with configuration and"
                                + " tokenizer beside them, into this folder.")
        private Path npz;
    }

    @Override
    public Integer call() {
        try (Artifact opened = open()) {
            NpzExport.Written written = NpzExport.write(opened, form.npz);
            ObjectNode answer = Json.object().put("model_digest", opened.digest().orElseThrow());
            answer.put("archive", written.archive().toString());
            answer.put("manifest", written.manifest().toString());
            if (output.json) {
                common.terminal().line(Json.text(answer));
            } else {
                common.terminal().line(written.archive().toString());
                common.terminal().line(written.manifest().toString());
            }
        }
        return ExitStatus.DONE;
    }

    private Artifact open() {
        Path folder = Path.of(artifact);
        return Files.isDirectory(folder)
                ? Artifact.open(folder, true)
                : store.open().open(artifact, true);
    }
}
