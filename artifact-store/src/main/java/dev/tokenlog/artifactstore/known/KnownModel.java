package dev.tokenlog.artifactstore.known;

import dev.tokenlog.artifactstore.hub.HubId;

/// A model that has a short name.
///
/// @param name what one types
/// @param hub where it is
/// @param gated whether its licence has to be accepted on its page first
/// @param family the `model_type` of its configuration
/// @param contextLength positions that it was made for
/// @param parameters all weights, each tensor once
/// @param sizes bytes of the converted weights by bits: 1, 2, 4 and 8
public record KnownModel(
        String name,
        HubId hub,
        boolean gated,
        String family,
        int contextLength,
        long parameters,
        Sizes sizes) {

    /// Computed from the configuration, scales included; see `WeightSizes`.
    public record Sizes(long bits1, long bits2, long bits4, long bits8) {}
}
