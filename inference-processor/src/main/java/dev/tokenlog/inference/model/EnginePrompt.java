package dev.tokenlog.inference.model;

import dev.tokenlog.contracts.TokenEvent.Alternative;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.TokenLogprob;
import dev.tokenlog.engine.ProcessMemory;
import dev.tokenlog.engine.generation.GenerationListener;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.generation.SamplingParameters;
import dev.tokenlog.inference.protocol.Inference.PreparedPrompt;
import dev.tokenlog.inference.protocol.Inference.Run;
import dev.tokenlog.inference.protocol.Inference.RunListener;
import dev.tokenlog.inference.protocol.Inference.Saved;
import dev.tokenlog.inference.protocol.Inference.Work;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;

/// A tokenized prompt on its model.
final class EnginePrompt implements PreparedPrompt {

    private final ModelLease lease;
    private final Work work;
    private final int[] ids;
    private final String hash;
    private final Outbox outbox;

    EnginePrompt(ModelLease lease, Work work, int[] ids, String hash, Outbox outbox) {
        this.lease = lease;
        this.work = work;
        this.ids = ids;
        this.hash = hash;
        this.outbox = outbox;
    }

    @Override
    public int promptTokens() {
        return ids.length;
    }

    @Override
    public String promptHash() {
        return hash;
    }

    @Override
    public OptionalLong peakMemoryBytes() {
        return ProcessMemory.peak();
    }

    /// What an earlier attempt left is only fed to the detokenizer; the engine sees for itself
    /// whether it is already all.
    @Override
    public Run start(int[] doneIds, boolean alone, RunListener listener) {
        try {
            LoadedModel.TextStream text = lease.model().text();
            for (int id : doneIds) {
                text.append(id);
            }
            return lease.model().engine().submit(request(doneIds, alone), new Told(text, listener))
                    ::stop;
        } catch (RuntimeException e) {
            new Told(null, listener).onFailed(e);
            return () -> {};
        }
    }

    @Override
    public void discard() {
        lease.close();
    }

    private GenerationRequest request(int[] doneIds, boolean alone) {
        Parameters p = work.parameters();
        return new GenerationRequest(
                work.generationId(),
                ids,
                doneIds,
                new SamplingParameters(
                        p.temperature(),
                        p.topK(),
                        p.topP(),
                        p.minP(),
                        p.repetitionPenalty(),
                        p.presencePenalty(),
                        p.frequencyPenalty(),
                        work.seed()),
                p.maxTokens(),
                p.stop(),
                p.logprobs() == null ? -1 : p.logprobs(),
                p.priority(),
                alone);
    }

    private static String reason(GenerationListener.Reason reason) {
        return reason.name().toLowerCase(Locale.ROOT);
    }

    /// Brings the engine's words to the protocol thread, in order. The text is found on the
    /// engine's thread, which can fail one generation; a failure on the protocol thread would end
    /// the worker. With the last word the model is free.
    private final class Told implements GenerationListener {

        private final LoadedModel.TextStream text;
        private final RunListener listener;

        Told(LoadedModel.TextStream text, RunListener listener) {
            this.text = text;
            this.listener = listener;
        }

        @Override
        public void onToken(int index, int tokenId, TokenLogProbability logprob) {
            TokenMade.tell(work.generationId(), index);
            String added = text.append(tokenId);
            outbox.add(() -> listener.token(tokenId, added, of(tokenId, logprob)));
        }

        @Override
        public void onStepEnd() {
            outbox.flush(listener::stepEnded);
        }

        /// The end is told at once, after the tokens before it.
        private void tell(Runnable end) {
            outbox.add(end);
            outbox.flush();
        }

        @Override
        public void onFinished(Finish finish) {
            lease.close();
            Saved saved =
                    new Saved(
                            finish.statistics().reusedTokens(),
                            finish.statistics().draftedTokens(),
                            finish.statistics().acceptedTokens());
            tell(() -> listener.finished(reason(finish.reason()), finish.stopSequence(), saved));
        }

        @Override
        public void onFailed(Exception failure) {
            lease.close();
            var refusal = EngineFailures.refusal(failure);
            tell(() -> listener.failed(refusal.code(), refusal.message()));
        }

        @Override
        public void onStopped() {
            lease.close();
            tell(listener::stopped);
        }

        private static TokenLogprob of(int tokenId, TokenLogProbability logprob) {
            if (logprob == null) {
                return null;
            }
            List<Alternative> top = new ArrayList<>();
            for (int i = 0; i < logprob.alternativeIds().length; i++) {
                top.add(
                        new Alternative(
                                logprob.alternativeIds()[i], logprob.alternativeLogprobs()[i]));
            }
            return new TokenLogprob(tokenId, logprob.logprob(), top.isEmpty() ? null : top);
        }
    }
}
