package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.GgufExport;
import dev.tokenlog.engine.artifact.Manifest;
import dev.tokenlog.engine.artifact.NpzExport;
import dev.tokenlog.engine.artifact.Recipe;
import dev.tokenlog.engine.artifact.SafetensorsExport;
import dev.tokenlog.engine.format.gguf.GgufType;
import dev.tokenlog.engine.tensor.NumberCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
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

        @Option(
                names = "--gguf",
                paramLabel = "FILE.gguf",
                description =
                        "One file for llama.cpp: int4 as Q4_0, int8 as Q8_0, norms as F32, tokenizer and"
                                + " template.")
        private Path gguf;

        @Option(
                names = "--safetensors",
                paramLabel = "DIR",
                description =
                        "model.safetensors with codes and scales in the form of compressed-tensors,"
                                + " for transformers and vLLM, with configuration and tokenizer"
                                + " beside it, into this folder.")
        private Path safetensors;
    }

    @Option(
            names = "--other-codes",
            paramLabel = "f32|f16",
            description =
                    "What --gguf makes of codes that GGUF cannot hold (default: it refuses them by name); f16"
                            + " rounds.")
    private String otherCodes;

    @Override
    public Integer call() {
        try (Artifact opened = open()) {
            if (form.gguf != null) {
                gguf(opened);
            } else if (form.safetensors != null) {
                safetensors(opened);
            } else {
                npz(opened);
            }
        }
        return ExitStatus.DONE;
    }

    private void npz(Artifact opened) {
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

    private void safetensors(Artifact opened) {
        Path file = SafetensorsExport.write(opened, form.safetensors);
        ObjectNode answer = Json.object().put("model_digest", opened.digest().orElseThrow());
        answer.put("file", file.toString());
        common.terminal().line(output.json ? Json.text(answer) : file.toString());
        if (SafetensorsExport.isTiedAcrossCodes(opened)) {
            Manifest.Quantization quantization = opened.manifest().quantization();
            NumberCode code = Recipe.codeOf(quantization.scheme());
            common.terminal()
                    .err(
                            "warning: transformers does not open a tied model whose embedding has another code than the layers; one that it opens: tokenlog quantize --recipe %s,embedding=%s"
                                    .formatted(
                                            Recipe.of(code, quantization.groupSize()).canonical(),
                                            quantization.scheme()));
        }
    }

    private void gguf(Artifact opened) {
        GgufExport.Written written = GgufExport.write(opened, form.gguf, others());
        ObjectNode answer = Json.object().put("model_digest", opened.digest().orElseThrow());
        answer.put("file", written.file().toString());
        answer.set("converted", Json.of(written.converted()));
        if (output.json) {
            common.terminal().line(Json.text(answer));
        } else {
            common.terminal().line(written.file().toString());
        }
        if (!written.converted().isEmpty()) {
            common.terminal()
                    .err(
                            "warning: %d tensors are %s in the file, for instance %s"
                                    .formatted(
                                            written.converted().size(),
                                            otherCodes,
                                            written.converted().getFirst()));
        }
    }

    private Optional<GgufType> others() {
        return switch (otherCodes) {
            case null -> Optional.empty();
            case "f32" -> Optional.of(GgufType.F32);
            case "f16" -> Optional.of(GgufType.F16);
            default ->
                    throw CommandFailure.usage(
                            "--other-codes takes f32 or f16, not '" + otherCodes + "'");
        };
    }

    private Artifact open() {
        Path folder = Path.of(artifact);
        return Files.isDirectory(folder)
                ? Artifact.open(folder, true)
                : store.open().open(artifact, true);
    }
}
