package dev.tokenlog.integration;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/// The latest snapshot of each inference worker on `worker-events`.
record Workers(Map<String, ObjectNode> byId) {

    static Workers of(String bootstrap) {
        Map<String, ObjectNode> latest = new LinkedHashMap<>();
        ObjectMapper json = new ObjectMapper();
        for (ConsumerRecord<byte[], byte[]> record :
                TopicDump.of(bootstrap, "worker-events").records()) {
            String id = new String(record.key());
            if (record.value() == null) {
                latest.remove(id);
                continue;
            }
            try {
                latest.put(id, (ObjectNode) json.readTree(record.value()));
            } catch (IOException problem) {
                throw new UncheckedIOException(problem);
            }
        }
        return new Workers(latest);
    }

    long withPartitions() {
        return byId.values().stream().filter(state -> !state.path("partitions").isEmpty()).count();
    }
}
