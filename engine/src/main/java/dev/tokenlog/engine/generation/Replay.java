package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.generation.GenerationListener.Finish;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.StreamingDetokenizer;
import dev.tokenlog.engine.transformer.Executor;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;

/// Computes a past generation again. Each token is chosen anew after those that were chosen before
/// it; if every one of them is the logged one, so is the whole generation (by induction), and the
/// first that is not is the first difference.
public final class Replay {

    /// @param index of the token in its completion
    public record Difference(int index, int logged, int computed) {}

    private Replay() {}

    /// Compares a stretch of the tokens with what this executor chooses.
    ///
    /// @param logged the generation; its `doneIds` are the tokens of the log
    /// @param from index of the first token compared
    /// @param to behind the last
    /// @param stop asked after each token
    /// @throws EngineException if it is out of range, too long, or not finite
    /// @throws CancellationException if `stop` says so
    public static Optional<Difference> firstDifference(
            Executor executor, GenerationRequest logged, int from, int to, BooleanSupplier stop) {
        try (GenerationReader reader = new GenerationReader(executor, logged, from)) {
            while (reader.index() + 1 < to && reader.advance()) {
                int choice = reader.choice();
                if (choice != reader.token()) {
                    return Optional.of(new Difference(reader.index(), reader.token(), choice));
                }
                if (stop.getAsBoolean()) {
                    throw new CancellationException("the replay was stopped");
                }
            }
        }
        return Optional.empty();
    }

    /// How the logged tokens end the generation: the first of them that does; empty if none does.
    public static Optional<Finish> end(
            GenerationRequest logged, ModelPlan plan, ModelTokenizer tokenizer) {
        return Optional.ofNullable(
                new Generation(logged, null, null, 0)
                        .begin(
                                plan.vocabularySize(),
                                plan.contextLength(),
                                tokenizer.endOfSequence(),
                                () -> {
                                    StreamingDetokenizer detokenizer = tokenizer.detokenizer();
                                    return detokenizer::append;
                                }));
    }
}
