package dev.tokenlog.engine.format.npy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.TestFiles;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NpyArrayTest {

    @TempDir Path temp;

    @Test
    void what_numpy_wrote_is_read_and_written_again_to_the_same_bytes() throws IOException {
        Path file = TestFiles.golden("llama").resolve("logits.npy");

        NpyArray logits = NpyArray.read(file);

        assertThat(logits.shape()).isEqualTo(List.of(60L, 320L));
        Path copy = temp.resolve("copy.npy");
        try (NpyWriter writer = new NpyWriter(copy, 60, 320)) {
            for (int row = 0; row < 60; row++) {
                writer.write(logits.values(), row * 320, 320);
            }
        }
        assertThat(Files.readAllBytes(copy)).isEqualTo(Files.readAllBytes(file));
    }

    @Test
    void a_spoiled_file_is_refused_or_read_but_never_breaks_the_reader() throws IOException {
        byte[] good = Files.readAllBytes(TestFiles.golden("llama").resolve("logits.npy"));
        Random random = new Random(7);
        for (int round = 0; round < 500; round++) {
            byte[] bad = java.util.Arrays.copyOf(good, random.nextInt(200) + (round % 2) * 1000);
            for (int flips = random.nextInt(4); flips >= 0 && bad.length > 0; flips--) {
                bad[random.nextInt(Math.min(bad.length, 128))] = (byte) random.nextInt(256);
            }
            Path file = Files.write(temp.resolve("bad.npy"), bad);
            assertThatThrownBy(() -> NpyArray.read(file)).isInstanceOf(EngineException.class);
        }
    }

    @Test
    void a_missing_value_is_noticed() {
        NpyWriter writer = new NpyWriter(temp.resolve("short.npy"), 2, 2);
        writer.write(new float[3], 0, 3);

        assertThatThrownBy(writer::close).isInstanceOf(IllegalStateException.class);
    }
}
