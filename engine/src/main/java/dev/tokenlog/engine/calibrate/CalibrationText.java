package dev.tokenlog.engine.calibrate;

import dev.tokenlog.engine.artifact.Model;
import dev.tokenlog.engine.evaluate.HeldOutText;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;

/// The tokens that a model reads while it is calibrated.
///
/// @param documents each a context of its own
/// @param tokens of all documents
record CalibrationText(List<int[]> documents, int tokens) {

    /// Longer documents are cut: most of what there is to see comes early.
    private static final int LONGEST = 512;

    /// Reads documents until there are `maxTokens`, the last one cut.
    static CalibrationText read(CalibrationFile file, Model model, int maxTokens) {
        int longest = Math.min(LONGEST, model.plan().contextLength());
        List<int[]> all;
        try (ModelTokenizer tokenizer = ModelTokenizer.open(model.folder())) {
            ChatTemplate template = ChatTemplate.open(model.folder());
            all =
                    HeldOutText.read(
                            file.name(), file.content(), template, tokenizer, longest, maxTokens);
        }
        return new CalibrationText(all, Integer.MAX_VALUE).first(maxTokens);
    }

    /// The first `maxTokens` of them, the last document cut.
    CalibrationText first(int maxTokens) {
        List<int[]> some = new ArrayList<>();
        int count = 0;
        for (int[] document : documents) {
            int length = Math.min(document.length, maxTokens - count);
            if (length > 0) {
                some.add(Arrays.copyOf(document, length));
                count += length;
            }
        }
        return new CalibrationText(List.copyOf(some), count);
    }

    /// @throws CancellationException if somebody wants it to end
    static void requireGoOn(BooleanSupplier cancelled) {
        if (Thread.currentThread().isInterrupted() || cancelled.getAsBoolean()) {
            throw new CancellationException("the calibration was cancelled");
        }
    }
}
