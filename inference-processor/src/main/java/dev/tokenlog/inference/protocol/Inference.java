package dev.tokenlog.inference.protocol;

import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.TokenLogprob;
import java.util.OptionalLong;
import java.util.function.Consumer;

/// Everything that computes. All calls return at once; listeners are told on the protocol thread.
public interface Inference {

    /// The arithmetic of this worker's models, for instance `cpu-2/kv16`.
    String numericsId();

    /// Loads the model if need be, which may have to wait for room, renders and tokenizes the
    /// prompt. A [Preparation.Ready] that is not used is [discarded][PreparedPrompt#discard].
    Preparing prepare(Work work, Consumer<Preparation> done);

    interface Preparing {
        /// It is not needed any more; `done` may still be told.
        void cancel();
    }

    /// @param location the artifact's folder as the registry names it, may be null
    /// @param promptTime append time of the prompt: the clock that a chat template sees
    record Work(
            String generationId,
            String modelId,
            String modelDigest,
            String location,
            PromptSubmitted prompt,
            long promptTime,
            Parameters parameters,
            long seed) {}

    sealed interface Preparation {

        record Refused(Refusal refusal) implements Preparation {}

        record Ready(PreparedPrompt prompt) implements Preparation {}
    }

    /// A prompt that is ready to run.
    interface PreparedPrompt {

        int promptTokens();

        /// SHA-256 of the prompt's ids.
        String promptHash();

        /// The most that this process has had in memory so far; empty where that is not known.
        OptionalLong peakMemoryBytes();

        /// Begins to generate behind the tokens that are already there. Once.
        Run start(int[] doneIds, boolean alone, RunListener listener);

        /// In place of [#start]: gives up what it holds, for instance the model.
        void discard();
    }

    interface Run {
        /// Ends it at the next step: one of the listener's last three methods follows, if none has
        /// yet.
        void stop();
    }

    /// Tokens that cost less than others: see [dev.tokenlog.contracts.TokenEvent.Timings].
    record Saved(int reusedTokens, int draftedTokens, int acceptedTokens) {

        static final Saved NOTHING = new Saved(0, 0, 0);
    }

    interface RunListener {

        /// @param text what this token adds to the text, often a word, sometimes nothing
        /// @param logprob null unless asked for
        void token(int id, String text, TokenLogprob logprob);

        /// All that a step made has been told, of all generations that took part; told to one of
        /// them.
        default void stepEnded() {}

        /// @param reason `stop` or `length`
        void finished(String reason, String stopSequence, Saved saved);

        void failed(ErrorCode code, String message);

        void stopped();
    }
}
