package dev.tokenlog.client;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StopTextViewTest {

    @Test
    void theViewIsTheSameHoweverTheTextComesInPieces() {
        Random random = new Random(11);
        for (int round = 0; round < 5_000; round++) {
            String text = randomText(random, 14);
            List<String> stops =
                    List.of(
                            randomText(random, 3),
                            randomText(random, 4),
                            randomText(random, 2) + "c");
            StopTextView view = new StopTextView(stops);
            StringBuilder shown = new StringBuilder();
            for (int at = 0; at < text.length(); ) {
                int to = Math.min(text.length(), at + 1 + random.nextInt(5));
                shown.append(view.push(text.substring(at, to)));
                assertThat(expected(text, stops)).startsWith(shown);
                at = to;
            }
            shown.append(view.finish());
            assertThat(shown.toString())
                    .as("%s without %s", text, stops)
                    .isEqualTo(expected(text, stops));
        }
    }

    /// By the definition, on the whole text: the shortest beginning that ends with a stop text,
    /// without the longest stop text that it ends with.
    private static String expected(String text, List<String> stops) {
        for (int end = 1; end <= text.length(); end++) {
            String beginning = text.substring(0, end);
            int longest =
                    stops.stream()
                            .filter(stop -> !stop.isEmpty() && beginning.endsWith(stop))
                            .mapToInt(String::length)
                            .max()
                            .orElse(0);
            if (longest > 0) {
                return beginning.substring(0, end - longest);
            }
        }
        return text;
    }

    private static String randomText(Random random, int most) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(most + 1); i > 0; i--) {
            text.append((char) ('a' + random.nextInt(3)));
        }
        return text.toString();
    }
}
