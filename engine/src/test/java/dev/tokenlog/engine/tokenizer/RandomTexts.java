package dev.tokenlog.engine.tokenizer;

import java.util.Random;

/// Texts of all scripts, with everything that a tokenizer may stumble over.
final class RandomTexts {

    private static final String[] PARTS = {
        " ",
        "  ",
        "     ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        "\u00a0",
        "\u3000",
        "\u2581",
        "\u0000",
        "the ",
        "Hello",
        "world",
        "naïve",
        "Größe",
        "don't",
        "I'LL",
        "x1234567",
        "3.14159",
        "def f(x):",
        "Привет ",
        "мир",
        "Ελληνικά",
        "עברית",
        "العربية ",
        "हिन्दी",
        "ภาษาไทย",
        "日本語",
        "한국어",
        "中文。",
        "e\u0301",
        "ﬁ",
        "½",
        "①",
        "Å",
        "😀",
        "👩\u200d👩\u200d👦",
        "🏽",
        "🇩🇪",
        "\u200b",
        "\ufeff",
        "\ud800",
        "<s>",
        "</s>",
        "<unk>",
        "<0x41>",
        "[INST]",
        "!!!",
        "...",
        "—",
        "“”",
        "a".repeat(40),
        "=".repeat(70)
    };

    private RandomTexts() {}

    static String next(Random random) {
        StringBuilder text = new StringBuilder();
        for (int i = random.nextInt(14); i >= 0; i--) {
            switch (random.nextInt(6)) {
                case 0 -> text.appendCodePoint(0x20 + random.nextInt(0x5f));
                case 1 -> text.appendCodePoint(random.nextInt(0xd800));
                default -> text.append(PARTS[random.nextInt(PARTS.length)]);
            }
        }
        return text.toString();
    }
}
