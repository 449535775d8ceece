package dev.tokenlog.engine.generation;

import dev.tokenlog.engine.generation.GenerationListener.Reason;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;

/// What a request must give on a [HashExecutor], computed one token at a time, without a loop.
record LoneRun(HashExecutor executor, int end, IntFunction<String> texts) {

    record Result(List<Integer> tokens, Reason reason, String stop) {}

    /// @param longestShortText texts of more tokens are read otherwise
    Result of(GenerationRequest r, int longestShortText) {
        int vocabulary = executor.plan().vocabularySize();
        Sampler sampler = new Sampler(vocabulary);
        SeenTokens seen = new SeenTokens(vocabulary);
        seen.prompt(r.promptIds());
        List<Integer> tokens = new ArrayList<>(Arrays.stream(r.promptIds()).boxed().toList());
        float[] logits = new float[vocabulary];
        List<Integer> made = new ArrayList<>();
        StringBuilder text = new StringBuilder();
        while (true) {
            boolean isLong = tokens.size() > longestShortText;
            HashExecutor.logits(executor.remembered(tokens, isLong), logits, 0, vocabulary);
            int token = sampler.sample(logits, 0, r.sampling(), seen, made.size(), 0);
            made.add(token);
            tokens.add(token);
            seen.output(token);
            text.append(texts.apply(token));
            if (token == end) {
                return new Result(made, Reason.STOP, null);
            }
            for (String stop : r.stop()) {
                if (text.indexOf(stop) >= 0) {
                    return new Result(made, Reason.STOP, stop);
                }
            }
            if (made.size() == r.maxTokens() || tokens.size() == executor.plan().contextLength()) {
                return new Result(made, Reason.LENGTH, null);
            }
        }
    }
}
