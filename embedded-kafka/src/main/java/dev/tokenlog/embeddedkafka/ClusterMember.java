package dev.tokenlog.embeddedkafka;

import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// One broker of several that are one cluster; each is a controller as well.
///
/// @param number of this broker, from 1 on
/// @param clusterId the same for all, as Kafka makes them
/// @param controllerPorts of all members in their order; they stay the same over restarts
/// @param proxied a second way in
public record ClusterMember(
        int number, String clusterId, List<Integer> controllerPorts, Proxied proxied) {

    /// Clients that come by a proxy have to be told its port, not the broker's.
    ///
    /// @param port where the broker listens for the proxy
    /// @param advertised where the proxy listens for clients
    public record Proxied(int port, int advertised) {}

    public ClusterMember {
        controllerPorts = List.copyOf(controllerPorts);
        if (number < 1 || number > controllerPorts.size()) {
            throw new IllegalArgumentException(
                    "member %d of %d".formatted(number, controllerPorts.size()));
        }
    }

    int controllerPort() {
        return controllerPorts.get(number - 1);
    }

    String voters() {
        return IntStream.rangeClosed(1, controllerPorts.size())
                .mapToObj(id ->
                        "%d@%s:%d".formatted(id, BrokerSettings.HOST, controllerPorts.get(id - 1)))
                .collect(Collectors.joining(","));
    }
}
