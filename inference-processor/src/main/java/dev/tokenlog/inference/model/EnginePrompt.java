package dev.tokenlog.inference.model;

import dev.tokenlog.contracts.TokenEvent.Alternative;
import dev.tokenlog.contracts.TokenEvent.Parameters;
import dev.tokenlog.contracts.TokenEvent.TokenLogprob;
import dev.tokenlog.engine.generation.GenerationHandle;
import dev.tokenlog.engine.generation.GenerationListener;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.generation.SamplingParameters;
import dev.tokenlog.inference.protocol.Inference.PreparedPrompt;
import dev.tokenlog.inference.protocol.Inference.Run;
import dev.tokenlog.inference.protocol.Inference.RunListener;
import dev.tokenlog.inference.protocol.Inference.Work;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Executor;

/// A tokenized prompt on its model.
final class EnginePrompt implements PreparedPrompt {

    private final LoadedModel model;
    private final Work work;
    private final int[] ids;
    private final String hash;
    private final Executor protocol;

    EnginePrompt(LoadedModel model, Work work, int[] ids, String hash, Executor protocol) {
        this.model = model;
        this.work = work;
        this.ids = ids;
        this.hash = hash;
        this.protocol = protocol;
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
    public Run start(int[] doneIds, boolean alone, RunListener listener) {
        LoadedModel.TextStream text = model.text();
        StringBuilder before = new StringBuilder();
        for (int id : doneIds) {
            before.append(text.append(id));
        }
        Optional<End> end = end(doneIds, before);
        if (end.isPresent()) {
            protocol.execute(() -> listener.finished(end.get().reason(), end.get().stop()));
            return () -> {};
        }
        GenerationHandle handle =
                model.engine().submit(request(doneIds, alone), new Told(text, listener));
        return handle::stop;
    }

    private record End(String reason, String stop) {}

    /// Whether the tokens that an earlier attempt left are already all.
    private Optional<End> end(int[] doneIds, CharSequence text) {
        if (doneIds.length == 0) {
            return Optional.empty();
        }
        if (model.endOfSequence().contains(doneIds[doneIds.length - 1])) {
            return Optional.of(new End(reason(GenerationListener.Reason.STOP), null));
        }
        for (String stop : work.parameters().stop()) {
            if (text.toString().contains(stop)) {
                return Optional.of(new End(reason(GenerationListener.Reason.STOP), stop));
            }
        }
        boolean full =
                doneIds.length >= work.parameters().maxTokens()
                        || ids.length + doneIds.length >= model.contextLength();
        return full
                ? Optional.of(new End(reason(GenerationListener.Reason.LENGTH), null))
                : Optional.empty();
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

    /// Brings the engine's words to the protocol thread, in order.
    private final class Told implements GenerationListener {

        private final LoadedModel.TextStream text;
        private final RunListener listener;

        Told(LoadedModel.TextStream text, RunListener listener) {
            this.text = text;
            this.listener = listener;
        }

        @Override
        public void onToken(int index, int tokenId, TokenLogProbability logprob) {
            protocol.execute(
                    () -> listener.token(tokenId, text.append(tokenId), of(tokenId, logprob)));
        }

        @Override
        public void onFinished(Finish finish) {
            protocol.execute(
                    () -> listener.finished(reason(finish.reason()), finish.stopSequence()));
        }

        @Override
        public void onFailed(Exception failure) {
            var refusal = EngineFailures.refusal(failure);
            protocol.execute(() -> listener.failed(refusal.code(), refusal.message()));
        }

        @Override
        public void onStopped() {
            protocol.execute(listener::stopped);
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
