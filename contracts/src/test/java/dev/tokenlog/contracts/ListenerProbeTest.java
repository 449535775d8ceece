package dev.tokenlog.contracts;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.tokenlog.contracts.TopicException.Kind;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/// Listeners that answer the first question; what comes then is judged. Real brokers of each
/// protocol are asked in the client's tests.
final class ListenerProbeTest {

    private enum Then {
        HANGS_UP,
        HANGS_UP_AND_ENDS,
        SAYS_NOTHING
    }

    private final List<Socket> held = new CopyOnWriteArrayList<>();
    private ServerSocket listener;

    @AfterEach
    void close() throws IOException {
        listener.close();
        for (Socket socket : held) {
            socket.close();
        }
    }

    @Test
    void aListenerThatAnswersOnceAndHangsUpAsksWhoOneIs() throws Exception {
        String server = listen(Then.HANGS_UP);
        assertThatThrownBy(() -> ListenerProbe.require(plaintext(server)))
                .isInstanceOfSatisfying(
                        TopicException.class, e -> assertThat(e.kind()).isEqualTo(Kind.NOT_ALLOWED))
                .hasMessageContaining("must be SASL_PLAINTEXT, not PLAINTEXT");
    }

    @Test
    void aBrokerThatEndsInTheMiddleIsNotTakenForOne() throws Exception {
        String server = listen(Then.HANGS_UP_AND_ENDS);
        assertThatCode(() -> ListenerProbe.require(plaintext(server))).doesNotThrowAnyException();
    }

    @Test
    void norIsOneThatIsSlow() throws Exception {
        String server = listen(Then.SAYS_NOTHING);
        assertThatCode(() -> ListenerProbe.require(plaintext(server))).doesNotThrowAnyException();
    }

    private static Map<String, Object> plaintext(String server) {
        return Map.of("bootstrap.servers", server, "security.protocol", "PLAINTEXT");
    }

    private String listen(Then then) throws IOException {
        listener = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
        Thread.ofPlatform().daemon().start(() -> serve(then));
        return "127.0.0.1:" + listener.getLocalPort();
    }

    private void serve(Then then) {
        while (!listener.isClosed()) {
            try {
                Socket socket = listener.accept();
                held.add(socket);
                answerOnce(socket);
                switch (then) {
                    case HANGS_UP -> socket.close();
                    case HANGS_UP_AND_ENDS -> {
                        listener.close();
                        socket.close();
                    }
                    case SAYS_NOTHING -> {}
                }
            } catch (IOException e) {
                // A probe that went away, or the end of the test.
            }
        }
    }

    private static void answerOnce(Socket socket) throws IOException {
        DataInputStream in = new DataInputStream(socket.getInputStream());
        byte[] request = new byte[in.readInt()];
        in.readFully(request);
        DataOutputStream out = new DataOutputStream(socket.getOutputStream());
        out.writeInt(4);
        // Behind the API key and its version: the correlation id.
        out.write(request, 4, 4);
        out.flush();
    }
}
