package dev.tokenlog.client;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.TokenlogException.Kind;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.GenerationId;
import dev.tokenlog.contracts.Topic;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.internals.RecordHeaders;

/// What was given up: read, and sent again.
final class DeadLetters {

    private static final ObjectMapper JSON = new ObjectMapper();

    /// What clients and operators ask for. The other topics are written by their processors, which
    /// would be contradicted by a record of yesterday.
    private static final Set<Topic> REQUESTS =
            EnumSet.of(
                    Topic.PROMPTS,
                    Topic.GENERATION_CONTROLS,
                    Topic.CONVERSION_REQUESTS,
                    Topic.VALIDATION_REQUESTS,
                    Topic.REGISTRY_COMMANDS);

    private final Cluster cluster;

    DeadLetters(Cluster cluster) {
        this.cluster = cluster;
    }

    List<DeadLetterEntry> list() {
        List<DeadLetterEntry> letters = new ArrayList<>();
        cluster.scan(
                List.of(Topic.DEAD_LETTERS),
                record ->
                        DeadLetter.of(record.raw().headers())
                                .ifPresent(letter ->
                                        letters.add(
                                                new DeadLetterEntry(
                                                        record.partition(),
                                                        record.offset(),
                                                        record.timestamp(),
                                                        letter,
                                                        record.raw().key(),
                                                        record.raw().value(),
                                                        DeadLetter.original(
                                                                record.raw().headers())))));
        return letters;
    }

    /// A prompt's generation has ended when its dead letter stands, and its id would be taken for a
    /// repetition: it gets a new one.
    ResentLetter send(DeadLetterEntry letter) {
        Topic topic = topic(letter);
        if (letter.value() == null) {
            throw new TokenlogException(
                    Kind.REFUSED,
                    "the dead letter at offset %d holds no record: %s"
                            .formatted(letter.offset(), letter.letter().message()));
        }
        Optional<String> generationId =
                topic == Topic.PROMPTS && chosenId(letter.value()).isPresent()
                        ? Optional.of(GenerationId.random())
                        : Optional.empty();
        byte[] value = generationId.map(id -> withId(letter.value(), id)).orElseGet(letter::value);
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        letter.letter().topic(),
                        partition(topic, letter),
                        null,
                        letter.key(),
                        value,
                        new RecordHeaders(letter.headers()));
        // It is a new prompt, at a new place: what the first one's sender noted is not true of it.
        record.headers().remove(EventHeaders.TOKENS_FROM);
        EventHeaders.set(
                record.headers(), DeadLetter.RESENT, letter.partition() + "-" + letter.offset());
        RecordMetadata sent = cluster.append(record);
        return new ResentLetter(
                sent.topic(),
                sent.partition(),
                sent.offset(),
                topic == Topic.PROMPTS
                        ? generationId.or(() ->
                                Optional.of(GenerationId.assigned(sent.partition(), sent.offset())))
                        : Optional.empty());
    }

    private Topic topic(DeadLetterEntry letter) {
        return Arrays.stream(Topic.values())
                .filter(topic -> cluster.name(topic).equals(letter.letter().topic()))
                .filter(REQUESTS::contains)
                .findFirst()
                .orElseThrow(() ->
                        new TokenlogException(
                                Kind.REFUSED,
                                "a record of %s is not sent again: only requests are (%s)"
                                        .formatted(
                                                letter.letter().topic(),
                                                String.join(
                                                        ", ",
                                                        REQUESTS.stream()
                                                                .map(cluster::name)
                                                                .toList()))));
    }

    /// Where it was, so that a conversation stays where it is; anywhere if the topic has changed.
    private Integer partition(Topic topic, DeadLetterEntry letter) {
        int partition = letter.letter().partition();
        return partition < cluster.partitionsOf(topic) ? partition : null;
    }

    private static Optional<String> chosenId(byte[] value) {
        try {
            return JSON.readTree(value) instanceof ObjectNode body
                    ? Optional.ofNullable(body.path("generation_id").textValue())
                    : Optional.empty();
        } catch (IOException notJson) {
            return Optional.empty();
        }
    }

    private static byte[] withId(byte[] value, String id) {
        try {
            ObjectNode body = (ObjectNode) JSON.readTree(value);
            return JSON.writeValueAsBytes(body.put("generation_id", id));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a tree cannot be written", e);
        } catch (IOException e) {
            throw new IllegalStateException("it was read before", e);
        }
    }
}
