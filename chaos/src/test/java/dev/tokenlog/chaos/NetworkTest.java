package dev.tokenlog.chaos;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.embeddedkafka.ClusterMember.Proxied;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.util.List;
import org.junit.jupiter.api.Test;

class NetworkTest {

    @Test
    void whatIsCutPassesNothingAndAfterwardsOldConnectionsAreDead() throws Exception {
        InetAddress loopback = InetAddress.getLoopbackAddress();
        int door;
        try (ServerSocket free = new ServerSocket(0, 1, loopback)) {
            door = free.getLocalPort();
        }
        try (ServerSocket broker = new ServerSocket(0, 5, loopback);
                Network network = Network.open(List.of(new Proxied(broker.getLocalPort(), door)))) {
            assertThat(network.bootstrap()).isEqualTo("127.0.0.1:" + door);
            try (Socket client = new Socket(loopback, door);
                    Socket served = broker.accept()) {
                client.getOutputStream().write(7);
                assertThat(served.getInputStream().read()).isEqualTo(7);
                served.getOutputStream().write(8);
                assertThat(client.getInputStream().read()).isEqualTo(8);

                network.cut();
                client.getOutputStream().write(9);
                served.setSoTimeout(200);
                assertThatThrownBy(() -> served.getInputStream().read())
                        .isInstanceOf(SocketTimeoutException.class);

                network.heal();
                client.setSoTimeout(5_000);
                assertThat(ends(client)).isTrue();
            }
            try (Socket again = new Socket(loopback, door);
                    Socket served = broker.accept()) {
                again.getOutputStream().write(1);
                assertThat(served.getInputStream().read()).isEqualTo(1);
            }
        }
    }

    private static boolean ends(Socket socket) {
        try {
            return socket.getInputStream().read() < 0;
        } catch (SocketTimeoutException e) {
            return false;
        } catch (IOException e) {
            return true;
        }
    }
}
