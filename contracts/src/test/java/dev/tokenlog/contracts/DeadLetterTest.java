package dev.tokenlog.contracts;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.junit.jupiter.api.Test;

class DeadLetterTest {

    @Test
    void theOriginalIsKeptAndTheHeadersSayWhereItWasAndWhy() {
        byte[] value = {0, (byte) 0xff};
        RecordHeaders headers = new RecordHeaders();
        EventHeaders.set(headers, "x-tenant", "anna");
        EventHeaders.set(headers, "reason", "a stranger's own");
        DeadLetter letter = new DeadLetter("p.prompts", 3, 41, ErrorCode.UNREADABLE, "no JSON", 2);

        ProducerRecord<byte[], byte[]> record = letter.record("p.", null, value, headers);

        assertThat(record.topic()).isEqualTo("p.dead-letters");
        assertThat(record.value()).isEqualTo(value);
        assertThat(record.headers())
                .extracting(h -> h.key() + "=" + new String(h.value(), StandardCharsets.UTF_8))
                .containsExactlyInAnyOrder(
                        "x-tenant=anna",
                        "topic=p.prompts",
                        "partition=3",
                        "offset=41",
                        "reason=UNREADABLE",
                        "message=no JSON",
                        "attempt=2");
        assertThat(DeadLetter.of(record.headers())).contains(letter);
    }

    @Test
    void strangersRecordsAreNoDeadLetters() {
        RecordHeaders headers = new RecordHeaders();
        assertThat(DeadLetter.of(headers)).isEmpty();
        EventHeaders.set(headers, "topic", "prompts");
        EventHeaders.set(headers, "partition", "x");
        EventHeaders.set(headers, "offset", "1");
        EventHeaders.set(headers, "reason", "LATER");
        assertThat(DeadLetter.of(headers)).isEmpty();
        EventHeaders.set(headers, "partition", "0");
        assertThat(DeadLetter.of(headers).orElseThrow().reason()).isEqualTo(ErrorCode.UNRECOGNIZED);
    }
}
