package dev.tokenlog.inference.kafka;

import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.inference.protocol.DeadLetterTopic;
import dev.tokenlog.inference.protocol.SendResult;
import java.util.function.Consumer;
import org.jboss.logging.Logger;

/// The topic `dead-letters`.
final class KafkaDeadLetterTopic implements DeadLetterTopic {

    private static final Logger LOG = Logger.getLogger(KafkaDeadLetterTopic.class);

    private final String prefix;
    private final RecordSender sender;

    KafkaDeadLetterTopic(String prefix, RecordSender sender) {
        this.prefix = prefix;
        this.sender = sender;
    }

    @Override
    public void append(Letter letter, Consumer<SendResult> done) {
        String prompts = Topic.PROMPTS.name(prefix);
        LOG.infof(
                "dead letter: topic=%s partition=%d offset=%d reason=%s message=%s",
                prompts, letter.partition(), letter.offset(), letter.reason(), letter.message());
        DeadLetter report =
                new DeadLetter(
                        prompts,
                        letter.partition(),
                        letter.offset(),
                        letter.reason(),
                        letter.message(),
                        letter.attempt());
        sender.send(report.record(prefix, letter.key(), letter.value(), letter.headers()), done);
    }
}
