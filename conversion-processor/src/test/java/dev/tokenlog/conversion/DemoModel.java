package dev.tokenlog.conversion;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/// The bundled model, and broken copies of it.
final class DemoModel {

    private DemoModel() {}

    static Path folder() {
        return Path.of(System.getProperty("tokenlog.root")).resolve("demo-model/model");
    }

    static Path copy(Path target) throws IOException {
        Files.createDirectories(target);
        try (Stream<Path> files = Files.list(folder())) {
            for (Path file : files.toList()) {
                Files.copy(file, target.resolve(file.getFileName().toString()));
            }
        }
        return target;
    }

    static Path truncated(Path target) throws IOException {
        copy(target);
        try (RandomAccessFile file =
                new RandomAccessFile(target.resolve("model.safetensors").toFile(), "rw")) {
            file.setLength(file.length() - 4096);
        }
        return target;
    }

    static Path without(Path target, String file) throws IOException {
        Files.delete(copy(target).resolve(file));
        return target;
    }

    static Path ofAnotherFamily(Path target) throws IOException {
        copy(target);
        Path config = target.resolve("config.json");
        Files.writeString(
                config,
                Files.readString(config, StandardCharsets.UTF_8)
                        .replace("\"llama\"", "\"mamba\"")
                        .replace("LlamaForCausalLM", "MambaForCausalLM"));
        return target;
    }
}
