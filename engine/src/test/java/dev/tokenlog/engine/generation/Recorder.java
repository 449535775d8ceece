package dev.tokenlog.engine.generation;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;

/// A listener that writes down what it is told.
final class Recorder implements GenerationListener {

    /// @param end a [Finish], an exception, or null if it was stopped
    record Result(List<Integer> tokens, List<TokenLogProbability> logprobs, Object end) {

        Finish finish() {
            if (end instanceof Exception failure) {
                throw new AssertionError("the generation failed", failure);
            }
            return (Finish) end;
        }
    }

    private final List<Integer> tokens = new ArrayList<>();
    private final List<TokenLogProbability> logprobs = new ArrayList<>();
    private final CompletableFuture<Result> result = new CompletableFuture<>();
    private final int firstIndex;
    private final IntConsumer onToken;

    Recorder(int firstIndex, IntConsumer onToken) {
        this.firstIndex = firstIndex;
        this.onToken = onToken;
    }

    Recorder() {
        this(0, count -> {});
    }

    Result await() throws Exception {
        return result.get(20, TimeUnit.SECONDS);
    }

    private void end(Object end) {
        if (!result.complete(new Result(List.copyOf(tokens), logprobs, end))) {
            throw new AssertionError("told of two ends");
        }
    }

    @Override
    public void onToken(int index, int tokenId, TokenLogProbability logprob) {
        if (index != firstIndex + tokens.size() || result.isDone()) {
            throw new AssertionError("token " + index + " after " + tokens.size());
        }
        tokens.add(tokenId);
        logprobs.add(logprob);
        onToken.accept(tokens.size());
    }

    @Override
    public void onFinished(Finish finish) {
        end(finish);
    }

    @Override
    public void onFailed(Exception failure) {
        end(failure);
    }

    @Override
    public void onStopped() {
        end(null);
    }
}
