package dev.tokenlog.cli;

import static dev.tokenlog.contracts.Topic.ACCURACY_METRICS;
import static dev.tokenlog.contracts.Topic.CONVERSION_EVENTS;
import static dev.tokenlog.contracts.Topic.CONVERSION_REQUESTS;
import static dev.tokenlog.contracts.Topic.DEAD_LETTERS;
import static dev.tokenlog.contracts.Topic.GENERATION_CONTROLS;
import static dev.tokenlog.contracts.Topic.MODEL_MANIFESTS;
import static dev.tokenlog.contracts.Topic.MODEL_REGISTRY;
import static dev.tokenlog.contracts.Topic.PROMPTS;
import static dev.tokenlog.contracts.Topic.REGISTRY_COMMANDS;
import static dev.tokenlog.contracts.Topic.TOKENS;
import static dev.tokenlog.contracts.Topic.VALIDATION_REQUESTS;
import static dev.tokenlog.contracts.Topic.WORKER_EVENTS;

import dev.tokenlog.contracts.Topic;
import java.util.Arrays;
import java.util.List;

/// Which rights each part of the platform needs on a cluster that asks for them.
enum ProcessorAccess {
    CONVERSION(
            "conversion-processor",
            List.of(CONVERSION_REQUESTS, CONVERSION_EVENTS),
            List.of(CONVERSION_EVENTS, MODEL_MANIFESTS, WORKER_EVENTS, DEAD_LETTERS),
            "conversion"),
    VALIDATION(
            "validation-processor",
            List.of(MODEL_MANIFESTS, VALIDATION_REQUESTS, ACCURACY_METRICS),
            List.of(ACCURACY_METRICS, WORKER_EVENTS, DEAD_LETTERS),
            "validation"),
    REGISTRY(
            "registry-processor",
            List.of(MODEL_MANIFESTS, ACCURACY_METRICS, REGISTRY_COMMANDS),
            List.of(MODEL_REGISTRY, DEAD_LETTERS),
            "registry"),
    INFERENCE(
            "inference-processor",
            List.of(PROMPTS, TOKENS, GENERATION_CONTROLS, MODEL_REGISTRY),
            List.of(TOKENS, WORKER_EVENTS, DEAD_LETTERS),
            "inference"),
    CLIENT(
            "client",
            Arrays.asList(Topic.values()),
            List.of(
                    PROMPTS,
                    GENERATION_CONTROLS,
                    CONVERSION_REQUESTS,
                    VALIDATION_REQUESTS,
                    REGISTRY_COMMANDS),
            null);

    private final String label;
    private final List<Topic> reads;
    private final List<Topic> writes;
    private final String group;

    ProcessorAccess(String label, List<Topic> reads, List<Topic> writes, String group) {
        this.label = label;
        this.reads = reads;
        this.writes = writes;
        this.group = group;
    }

    String label() {
        return label;
    }

    List<Topic> reads() {
        return reads;
    }

    List<Topic> writes() {
        return writes;
    }

    /// The consumer group; null where there is none.
    String group(String prefix) {
        return group == null ? null : prefix + group;
    }

    /// Kafka Streams has a protocol of its own, whose times its members say.
    boolean groupIsConsumerProtocol() {
        return group != null && this != REGISTRY;
    }

    /// What else the group's name stands for.
    String more() {
        return this == REGISTRY
                ? " (also the prefix of its internal topics, which it creates, and of its transactional ids)"
                : "";
    }
}
