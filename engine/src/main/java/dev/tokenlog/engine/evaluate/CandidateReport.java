package dev.tokenlog.engine.evaluate;

/// What a candidate would have made of a past generation.
///
/// @param divergence over the positions of the generation's tokens, the candidate being the
///   "quantized" side and the model that made them the baseline
/// @param sameChoices positions at which the candidate chooses the logged token, with the
///   generation's parameters and random numbers
/// @param firstDifference index of the first token that it would not have chosen; -1: none
public record CandidateReport(ComparisonReport divergence, int sameChoices, int firstDifference) {}
