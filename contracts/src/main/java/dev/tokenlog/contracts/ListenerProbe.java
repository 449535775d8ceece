package dev.tokenlog.contracts;

import dev.tokenlog.contracts.TopicException.Kind;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.security.NoSuchAlgorithmException;
import java.security.cert.CertificateException;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLSocket;

/// Asks a listener which protocol it speaks, before a Kafka client does. A Kafka client of another
/// protocol tries until its time is over, or takes the first bytes of a TLS alert for the size of
/// an answer and asks for 350 MB of memory.
///
/// What does not answer, or in no way that is understood, is left to the Kafka client.
public final class ListenerProbe {

    private static final int TIMEOUT_MILLIS = 2_000;

    /// The first byte of a Kafka request: its API key, version and correlation id follow the size.
    private static final short API_VERSIONS = 18;

    private static final int CORRELATION = 0x746f6b65;

    private ListenerProbe() {}

    /// @param kafka client settings
    /// @throws TopicException `NOT_ALLOWED` if a listener speaks another protocol than
    ///   `security.protocol` says; the message names the setting
    public static void require(Map<String, Object> kafka) {
        String protocol =
                String.valueOf(kafka.getOrDefault("security.protocol", "PLAINTEXT"))
                        .toUpperCase(Locale.ROOT);
        for (String server : String.valueOf(kafka.get("bootstrap.servers")).split(",")) {
            int colon = server.lastIndexOf(':');
            String port = server.substring(colon + 1).strip();
            if (colon < 1 || !port.matches("[0-9]{1,5}") || Integer.parseInt(port) > 65535) {
                continue;
            }
            String host = server.substring(0, colon).strip().replaceAll("^\\[|]$", "");
            Optional<String> mismatch = mismatch(protocol, host, Integer.parseInt(port));
            if (mismatch.isPresent()) {
                throw new TopicException(
                        Kind.NOT_ALLOWED, server.strip() + ": " + mismatch.get(), null);
            }
        }
    }

    private static Optional<String> mismatch(String protocol, String host, int port) {
        return switch (protocol) {
            case "PLAINTEXT", "SASL_PLAINTEXT" -> {
                boolean withSasl = protocol.startsWith("SASL");
                yield switch (plain(host, port, withSasl ? 1 : 2)) {
                    case 0 ->
                            speaksTls(host, port)
                                    ? Optional.of(
                                            "the listener speaks TLS: security.protocol must be SSL or SASL_SSL, not "
                                                    + protocol)
                                    : Optional.empty();
                    // Asked once more: a broker that is ending also hangs up after the first
                    // answer.
                    case 1 ->
                            withSasl || plain(host, port, 2) != 1
                                    ? Optional.empty()
                                    : Optional.of(
                                            "the listener asks who one is: security.protocol must be SASL_PLAINTEXT, not PLAINTEXT");
                    default -> Optional.empty();
                };
            }
            case "SSL", "SASL_SSL" ->
                    !speaksTls(host, port) && plain(host, port, 1) == 1
                            ? Optional.of(
                                    "the listener does not speak TLS: security.protocol must be PLAINTEXT or SASL_PLAINTEXT, not "
                                            + protocol)
                            : Optional.empty();
            // The Kafka client refuses it by name.
            default -> Optional.empty();
        };
    }

    /// Asks for the versions of the API, up to `times` times: a listener that wants to know who one
    /// is answers once.
    ///
    /// @return how many answers came; `times` where one came and the next takes too long: silence
    ///   says nothing about a protocol
    private static int plain(String host, int port, int times) {
        int answers = 0;
        try (Socket socket = connect(host, port)) {
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            DataInputStream in = new DataInputStream(socket.getInputStream());
            while (answers < times) {
                out.write(
                        ByteBuffer.allocate(14)
                                .putInt(10)
                                .putShort(API_VERSIONS)
                                .putShort((short) 0)
                                .putInt(CORRELATION)
                                .putShort((short) -1)
                                .array());
                int size = in.readInt();
                if (size < 4 || size > 1 << 20 || in.readInt() != CORRELATION) {
                    return answers;
                }
                in.skipNBytes(size - 4);
                answers++;
            }
        } catch (SocketTimeoutException e) {
            return answers == 0 ? 0 : times;
        } catch (IOException e) {
            return answers;
        }
        return answers;
    }

    /// Whether a handshake begins; whose certificate it is does not matter here.
    private static boolean speaksTls(String host, int port) {
        try (Socket socket = connect(host, port);
                SSLSocket tls =
                        (SSLSocket)
                                SSLContext.getDefault()
                                        .getSocketFactory()
                                        .createSocket(socket, host, port, true)) {
            tls.startHandshake();
            return true;
        } catch (SSLException e) {
            return causedBy(e, CertificateException.class)
                    || String.valueOf(e.getMessage()).contains("fatal alert");
        } catch (IOException | NoSuchAlgorithmException e) {
            return false;
        }
    }

    private static boolean causedBy(Throwable e, Class<? extends Throwable> type) {
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            if (type.isInstance(cause)) {
                return true;
            }
        }
        return false;
    }

    private static Socket connect(String host, int port) throws IOException {
        Socket socket = new Socket();
        try {
            socket.setSoTimeout(TIMEOUT_MILLIS);
            socket.connect(new InetSocketAddress(host, port), TIMEOUT_MILLIS);
            return socket;
        } catch (IOException e) {
            socket.close();
            throw e;
        }
    }
}
