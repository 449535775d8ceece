package dev.tokenlog.embeddedkafka;

import java.io.IOException;
import java.nio.file.Path;

/// A program with a broker, to be killed: prints the broker's process id and waits for ever.
final class BrokerParent {

    private BrokerParent() {}

    public static void main(String[] arguments) throws IOException {
        EmbeddedKafka kafka = EmbeddedKafka.start(EmbeddedKafkaOptions.in(Path.of(arguments[0])));
        System.out.println(kafka.processId());
        System.in.read();
    }
}
