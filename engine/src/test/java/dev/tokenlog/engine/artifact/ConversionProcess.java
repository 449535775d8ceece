package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.EngineException;
import java.io.IOException;
import java.nio.file.Path;

/// A process of its own for [ConversionProcessTest]: converts a folder to 4 bits into a store, says
/// `done N` for each tensor and `digest …` or `failed …` at the end. After as many tensors as it is
/// told to finish it waits to be killed.
final class ConversionProcess {

    private ConversionProcess() {}

    public static void main(String[] arguments) {
        Path folder = Path.of(arguments[0]);
        ArtifactStore store = new ArtifactStore(Path.of(arguments[1]));
        int waitAfter = Integer.parseInt(arguments[2]);
        ConversionListener listener =
                new ConversionListener() {
                    @Override
                    public void tensorDone(TensorDone tensor) {
                        System.out.println("done " + tensor.number());
                        if (tensor.number() == waitAfter) {
                            waitForTheEnd();
                        }
                    }
                };
        try (SourceModel source = SourceModel.open(folder);
                Artifact artifact =
                        new Converter(2).convert(source, Recipe.parse("int4"), store, listener)) {
            System.out.println("digest " + artifact.digest().orElseThrow());
        } catch (EngineException e) {
            System.out.println("failed " + e.reason() + " " + e.getMessage());
        }
    }

    private static void waitForTheEnd() {
        try {
            while (System.in.read() >= 0) {}
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }
}
