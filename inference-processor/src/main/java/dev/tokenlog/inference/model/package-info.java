/// From a digest to a model that runs: loading, rendering, tokenizing, and the engine's callbacks
/// brought to the protocol thread.
package dev.tokenlog.inference.model;
