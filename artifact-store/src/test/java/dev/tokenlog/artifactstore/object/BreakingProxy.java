package dev.tokenlog.artifactstore.object;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.util.concurrent.atomic.AtomicInteger;

/// Stands before a server. A connection gets through as long as none is to be broken; one that is
/// to be broken is closed when its first bytes have come, without an answer.
final class BreakingProxy implements AutoCloseable {

    private final ServerSocket server;
    private final URI behind;
    final AtomicInteger toBreak = new AtomicInteger();
    final AtomicInteger broken = new AtomicInteger();

    BreakingProxy(URI behind) throws IOException {
        this.behind = behind;
        this.server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        Thread.ofVirtual().start(this::accept);
    }

    URI endpoint() {
        return URI.create("http://127.0.0.1:" + server.getLocalPort());
    }

    private void accept() {
        while (!server.isClosed()) {
            try {
                Socket client = server.accept();
                Thread.ofVirtual().start(() -> serve(client));
            } catch (IOException e) {
                return; // closed
            }
        }
    }

    private void serve(Socket client) {
        try (client;
                Socket socket = new Socket(behind.getHost(), behind.getPort())) {
            Thread.ofVirtual().start(() -> forward(socket, client, false));
            forward(client, socket, true);
        } catch (IOException e) {
            // one of the two has gone
        }
    }

    /// @param may whether this direction may break the connection
    private void forward(Socket from, Socket to, boolean may) {
        byte[] buffer = new byte[1 << 14];
        try (from;
                to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            for (int read = in.read(buffer); read >= 0; read = in.read(buffer)) {
                if (may && toBreak.getAndUpdate(left -> Math.max(0, left - 1)) > 0) {
                    broken.incrementAndGet();
                    return;
                }
                out.write(buffer, 0, read);
            }
        } catch (IOException e) {
            // one of the two has gone
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
    }
}
