package dev.tokenlog.embeddedkafka;

import dev.tokenlog.embeddedkafka.EmbeddedKafkaException.Reason;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/// A KRaft node must know its controller's port before it starts, so ports are picked first.
/// Between the pick and the broker's own bind no connection takes one by chance ([#lasting]); where
/// it happens all the same it is a start that failed, never a wrong broker.
final class FreePorts {

    private FreePorts() {}

    /// @param requested the broker's port, or 0
    /// @return the broker's port and the controller's
    static int[] pick(int requested) {
        if (requested == 0) {
            List<Integer> ports = lasting(2);
            return new int[] {ports.getFirst(), ports.getLast()};
        }
        try (ServerSocket _ = bind(requested)) {
            return new int[] {requested, lasting(1).getFirst()};
        } catch (IOException e) {
            throw new EmbeddedKafkaException(
                    Reason.PORT_IN_USE,
                    "port %d on %s is in use: stop what listens there, or choose another port (0 picks a free one)"
                            .formatted(requested, BrokerSettings.HOST),
                    e);
        }
    }

    /// Different ports that nothing binds by chance while their owner is away: systems take the
    /// local ports of connections from 32768 upwards.
    static List<Integer> lasting(int count) {
        Random random = new Random();
        Set<Integer> found = new LinkedHashSet<>();
        for (int tries = 0; found.size() < count; tries++) {
            int port = 10_000 + random.nextInt(22_000);
            try (ServerSocket _ = bind(port)) {
                found.add(port);
            } catch (IOException e) {
                if (tries > 1_000) {
                    throw new EmbeddedKafkaException(
                            Reason.PORT_IN_USE,
                            "no free ports from 10000 to 32000 on the loopback interface: "
                                    + e.getMessage(),
                            e);
                }
            }
        }
        return List.copyOf(found);
    }

    private static ServerSocket bind(int port) throws IOException {
        ServerSocket socket = new ServerSocket();
        try {
            // As the broker itself does: connections of a broker that just ended do not count.
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(InetAddress.getByName(BrokerSettings.HOST), port));
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }
}
