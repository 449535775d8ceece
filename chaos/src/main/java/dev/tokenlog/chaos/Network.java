package dev.tokenlog.chaos;

import dev.tokenlog.embeddedkafka.ClusterMember.Proxied;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;

/// The wire between some clients and the brokers, which can be cut: then nothing passes in either
/// direction, and nobody is told, as when a cable is pulled. What was under way is lost.
final class Network implements AutoCloseable {

    private static final long LOOK_MILLIS = 20;
    private static final int BUFFER = 16 << 10;

    private final List<Proxied> brokers;
    private final List<ServerSocket> doors;
    private final Set<Socket> open = ConcurrentHashMap.newKeySet();
    private volatile boolean cut;
    private volatile boolean closed;

    private Network(List<Proxied> brokers, List<ServerSocket> doors) {
        this.brokers = brokers;
        this.doors = doors;
    }

    static Network open(List<Proxied> brokers) throws IOException {
        List<ServerSocket> doors = new java.util.ArrayList<>();
        for (Proxied broker : brokers) {
            doors.add(new ServerSocket(broker.advertised(), 50, InetAddress.getLoopbackAddress()));
        }
        Network network = new Network(brokers, List.copyOf(doors));
        for (int i = 0; i < doors.size(); i++) {
            int number = i;
            Thread.ofVirtual().name("network-door").start(() -> network.accept(number));
        }
        return network;
    }

    /// What clients on this side connect to.
    String bootstrap() {
        return brokers.stream()
                .map(broker -> "127.0.0.1:" + broker.advertised())
                .collect(Collectors.joining(","));
    }

    void cut() {
        cut = true;
    }

    /// Connections of the time before are dead; new ones pass.
    void heal() {
        open.forEach(Network::end);
        open.clear();
        cut = false;
    }

    private void accept(int number) {
        while (!closed) {
            try {
                Socket client = doors.get(number).accept();
                Thread.ofVirtual().name("network-wire").start(() -> connect(client, number));
            } catch (IOException e) {
                if (!closed) {
                    throw new java.io.UncheckedIOException(e);
                }
            }
        }
    }

    private void connect(Socket client, int number) {
        try {
            open.add(client);
            hold();
            Socket broker =
                    new Socket(InetAddress.getLoopbackAddress(), brokers.get(number).port());
            open.add(broker);
            client.setTcpNoDelay(true);
            broker.setTcpNoDelay(true);
            Thread.ofVirtual().name("network-wire").start(() -> pass(broker, client));
            pass(client, broker);
        } catch (IOException | InterruptedException e) {
            // No broker behind it.
            end(client);
        }
    }

    private void pass(Socket from, Socket to) {
        byte[] buffer = new byte[BUFFER];
        try {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
                hold();
                out.write(buffer, 0, n);
            }
        } catch (IOException | InterruptedException e) {
            // One side has gone; the other learns it now.
        } finally {
            end(from);
            end(to);
            open.remove(from);
            open.remove(to);
        }
    }

    private void hold() throws InterruptedException {
        while (cut && !closed) {
            Thread.sleep(LOOK_MILLIS);
        }
    }

    private static void end(Socket socket) {
        try {
            socket.close();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Override
    public void close() throws IOException {
        closed = true;
        for (ServerSocket door : doors) {
            door.close();
        }
        open.forEach(Network::end);
    }
}
