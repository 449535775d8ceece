package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.format.safetensors.SafetensorsFile;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout.Declared;
import dev.tokenlog.engine.format.safetensors.SafetensorsWriter;
import dev.tokenlog.engine.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/// Puts the weights of an artifact into one file, as encoder `tokenlog-1` wrote them.
final class OneFile {

    private OneFile() {}

    static void rewrite(Path folder) throws IOException {
        Path manifest = folder.resolve(ModelFiles.MANIFEST);
        Path one = folder.resolve("one");
        List<Path> files = SharedFiles.weightFiles(folder);
        try (Arena arena = Arena.ofConfined()) {
            List<Tensor> tensors = new ArrayList<>();
            for (Path file : files) {
                tensors.addAll(SafetensorsFile.open(file, arena).tensors());
            }
            List<Declared> declared =
                    tensors.stream()
                            .map(tensor ->
                                    new Declared(tensor.name(), tensor.type(), tensor.shape()))
                            .toList();
            SafetensorsLayout layout =
                    new SafetensorsLayout(Map.of("format", "tokenlog"), declared);
            try (SafetensorsWriter writer = new SafetensorsWriter(one, layout)) {
                tensors.forEach(
                        tensor -> writer.write(tensor.name(), 0, tensor.data().asByteBuffer()));
            }
        }
        for (Path file : files) {
            Files.delete(file);
        }
        Files.move(one, folder.resolve("weights-00001.safetensors"));
        String text = Files.readString(manifest);
        for (int number = 2; number <= files.size(); number++) {
            text = text.replace("weights-%05d.".formatted(number), "weights-00001.");
        }
        Files.writeString(manifest, text.replace(Converter.ENCODER_VERSION, "tokenlog-1"));
    }
}
