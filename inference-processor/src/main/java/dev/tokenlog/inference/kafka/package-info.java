/// The protocol core on Kafka and Quarkus: the channel of prompts with its commits and rebalances,
/// the reader of tokens, registry and controls, the producer, health and the worker's life.
package dev.tokenlog.inference.kafka;
