package dev.tokenlog.engine.transformer;

import java.util.List;

/// The weights of a layer's feed-forward network.
sealed interface FeedForwardWeights {

    /// What is multiplied by the layer's normed activations.
    Projection input();

    /// `D · (activation(G · x) · (U · x))`: a whole layer's network, or one expert's.
    record Dense(Projection gateUp, Projection down) implements FeedForwardWeights {

        @Override
        public Projection input() {
            return gateUp;
        }
    }

    /// Experts with the router that chooses among them. For an expert, activations are quantized
    /// after its tokens have been gathered.
    record Experts(Projection router, List<Dense> networks) implements FeedForwardWeights {

        @Override
        public Projection input() {
            return router;
        }
    }
}
