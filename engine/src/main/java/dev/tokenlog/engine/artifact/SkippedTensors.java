package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.ModelPlan;
import java.util.Optional;

/// Tensors that files carry although no forward pass reads them.
final class SkippedTensors {

    /// A head that a tied model needs not, and may only hold as a copy.
    static final String HEAD = "lm_head.weight";

    private SkippedTensors() {}

    /// Why a tensor that the plan does not read may be left out; empty where there is no reason.
    static Optional<String> reason(String name, ModelPlan plan) {
        if (name.endsWith(".rotary_emb.inv_freq")) {
            return Optional.of("rotary table; computed from the configuration");
        }
        if (plan.tiedEmbeddings() && name.equals(HEAD)) {
            return Optional.of("copy of the embedding; the configuration ties the head to it");
        }
        return Optional.empty();
    }
}
