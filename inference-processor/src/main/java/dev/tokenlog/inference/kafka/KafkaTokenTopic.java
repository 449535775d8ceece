package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.TokenEvent;
import dev.tokenlog.inference.protocol.SendResult;
import dev.tokenlog.inference.protocol.TokenTopic;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;

/// The topic `tokens`, by one producer and one reader for all partitions.
final class KafkaTokenTopic implements TokenTopic {

    private final String topic;
    private final RecordSender sender;
    private final LogReader log;
    private final Executor protocol;

    KafkaTokenTopic(String topic, RecordSender sender, LogReader log, Executor protocol) {
        this.topic = topic;
        this.sender = sender;
        this.log = log;
        this.protocol = protocol;
    }

    @Override
    public void append(int partition, TokenEvent event, Headers prompt, Consumer<SendResult> done) {
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        topic,
                        partition,
                        event.generationId().getBytes(StandardCharsets.UTF_8),
                        EventJson.write(event));
        EventHeaders.describe(event, record.headers());
        EventHeaders.pass(prompt, record.headers());
        sender.send(record, done);
    }

    @Override
    public void follow(int partition, StartingPoint from, Reader reader) {
        log.follow(
                new TopicPartition(topic, partition), from, new TokenReader(log, protocol, reader));
    }

    @Override
    public void unfollow(int partition) {
        log.unfollow(new TopicPartition(topic, partition));
    }
}
