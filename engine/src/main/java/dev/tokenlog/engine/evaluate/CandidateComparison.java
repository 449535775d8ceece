package dev.tokenlog.engine.evaluate;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.generation.GenerationReader;
import dev.tokenlog.engine.generation.GenerationRequest;
import dev.tokenlog.engine.transformer.Executor;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;

/// Compares two models over a generation that one of them has made: both read the logged tokens
/// (teacher-forced), each after its own form of the prompt.
public final class CandidateComparison {

    private CandidateComparison() {}

    /// @param ofCandidate prompt ids as the candidate sees them; the logged tokens in `doneIds`
    /// @param ofBaseline prompt ids as the log has them, and the same tokens; one at least
    /// @param stop asked after each token
    /// @throws EngineException `UNSUPPORTED` if the vocabularies differ, `NON_FINITE`, or what is
    ///   out of range
    /// @throws CancellationException if `stop` says so
    public static CandidateReport compare(
            Executor candidate,
            GenerationRequest ofCandidate,
            Executor baseline,
            GenerationRequest ofBaseline,
            BooleanSupplier stop) {
        int vocabulary = baseline.plan().vocabularySize();
        if (candidate.plan().vocabularySize() != vocabulary) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "vocabularies of "
                            + candidate.plan().vocabularySize()
                            + " and "
                            + vocabulary
                            + " tokens cannot be compared");
        }
        Divergence divergence = new Divergence(vocabulary, ofBaseline.doneIds().length);
        divergence.beginDocument();
        int same = 0;
        int first = -1;
        try (GenerationReader c = new GenerationReader(candidate, ofCandidate, 0);
                GenerationReader b = new GenerationReader(baseline, ofBaseline, 0)) {
            while (b.advance() && c.advance()) {
                divergence.add(c.logits(), c.offset(), b.logits(), b.offset(), b.token());
                if (c.choice() == c.token()) {
                    same++;
                } else if (first < 0) {
                    first = c.index();
                }
                if (stop.getAsBoolean()) {
                    throw new CancellationException("the comparison was stopped");
                }
            }
        }
        return new CandidateReport(
                divergence.report(true, 1, baseline.numericsId(), candidate.numericsId()),
                same,
                first);
    }
}
