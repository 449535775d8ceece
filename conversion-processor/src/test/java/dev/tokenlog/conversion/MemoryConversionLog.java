package dev.tokenlog.conversion;

import dev.tokenlog.contracts.ConversionEvent;
import dev.tokenlog.contracts.DeadLetter;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;

/// A log in memory. What is appended is durable at once.
final class MemoryConversionLog implements ConversionLog {

    final List<Event> events = new CopyOnWriteArrayList<>();
    final List<DeadLetter> deadLetters = new CopyOnWriteArrayList<>();

    /// Sees every event before it is appended; may throw, or stop the conversion.
    volatile Consumer<Event> before = event -> {};

    @Override
    public Progress progress(String conversionId) {
        Progress progress = new Progress();
        for (Event event : events) {
            if (event instanceof ConversionEvent e && e.conversionId().equals(conversionId)) {
                progress.note(e);
            }
        }
        return progress;
    }

    @Override
    public void append(ConversionEvent event, Headers request) {
        add(event);
    }

    @Override
    public void append(ModelManifest manifest, Headers request) {
        add(manifest);
    }

    private void add(Event event) {
        before.accept(event);
        EventJson.write(event);
        events.add(event);
    }

    @Override
    public void deadLetter(
            ConsumerRecord<byte[], byte[]> original, ErrorCode code, String message) {
        deadLetters.add(DeadLetter.of(original, code, message, 1));
    }

    @Override
    public void flush() {}

    <E> List<E> all(Class<E> type) {
        return events.stream().filter(type::isInstance).map(type::cast).toList();
    }

    List<String> types() {
        return events.stream().map(Event::type).toList();
    }
}
