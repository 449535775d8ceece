package dev.tokenlog.engine.generation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StopTextsTest {

    @Test
    void findsATextAcrossPieces() {
        StopTexts stops = new StopTexts(List.of("\n\nUser:", "END"));
        assertThat(stops.find("Hello E")).isNull();
        assertThat(stops.find("N")).isNull();
        assertThat(stops.find("")).isNull();
        assertThat(stops.find("DE.")).isEqualTo("END");
    }

    @Test
    void agreesWithASearchOfTheWhole() {
        Random random = new Random(5);
        for (int round = 0; round < 2000; round++) {
            List<String> stops =
                    List.of(letters(random, 1 + random.nextInt(4)), letters(random, 3));
            StopTexts streamed = new StopTexts(stops);
            String whole = "";
            for (int i = 0; i < 12; i++) {
                String piece = letters(random, random.nextInt(4));
                whole += piece;
                String text = whole;
                String expected = stops.stream().filter(text::contains).findFirst().orElse(null);
                assertThat(streamed.find(piece)).isEqualTo(expected);
                if (expected != null) {
                    break;
                }
            }
        }
    }

    private static String letters(Random random, int count) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < count; i++) {
            text.append((char) ('a' + random.nextInt(3)));
        }
        return text.toString();
    }
}
