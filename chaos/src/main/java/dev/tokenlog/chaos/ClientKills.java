package dev.tokenlog.chaos;

import dev.tokenlog.chaos.Schedule.ClientKill;
import dev.tokenlog.client.GenerationUpdate;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/// Clients that are processes: each sends a prompt, is killed, and somebody else reads the answer,
/// who knows its id and nothing else. Where nobody can know whether the prompt had reached the log,
/// the same prompt is sent again, which is the same generation.
final class ClientKills {

    private static final int MAX_TOKENS = 360;
    private static final long RETRY_MILLIS = 500;
    private static final ClientKill NEVER = new ClientKill(0, Integer.MAX_VALUE, 0);

    private final String bootstrap;
    private final Load load;
    private final RunLog log;

    ClientKills(String bootstrap, Load load, RunLog log) {
        this.bootstrap = bootstrap;
        this.load = load;
        this.log = log;
    }

    void run(List<ClientKill> kills) throws InterruptedException {
        for (ClientKill kill : kills) {
            Thread.sleep(kill.delayMillis());
            load.sendBy(MAX_TOKENS, (prompt, reading) -> dieAndReadAgain(prompt, reading, kill));
        }
    }

    private void dieAndReadAgain(PromptSubmitted prompt, Reading reading, ClientKill kill) {
        String json = new String(EventJson.write(prompt), StandardCharsets.UTF_8);
        Life first = live(reading, kill, "send", json);
        boolean sent = first.sent();
        if (first.killed()) {
            log.killed("client");
            log.event(
                    "the client of %s killed, its prompt %s",
                    reading.id(), sent ? "sent" : "in the air");
        }
        while (!reading.ended() && !load.isClosed()) {
            if (sent) {
                live(reading, NEVER, "read", reading.id());
            } else {
                sent = live(reading, NEVER, "send", json).sent();
            }
            pause();
        }
    }

    /// @param sent whether it has learnt that its prompt is in the log
    /// @param killed or it ended by itself
    private record Life(boolean sent, boolean killed) {}

    private Life live(Reading reading, ClientKill kill, String what, String argument) {
        try {
            Process process = start(what, argument);
            try (BufferedReader lines = process.inputReader(StandardCharsets.UTF_8)) {
                Life life = read(lines, reading, kill);
                return new Life(life.sent(), life.killed() && process.isAlive());
            } finally {
                process.destroyForcibly().waitFor();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return new Life(false, false);
        }
    }

    /// Until it is to be killed, or has ended.
    private static Life read(BufferedReader lines, Reading reading, ClientKill kill)
            throws IOException, InterruptedException {
        reading.begin();
        boolean sent = false;
        int got = 0;
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case ClientProgram.SENT -> sent = true;
                case ClientProgram.TOKENS -> {
                    reading.take(tokens(words), System.nanoTime());
                    got++;
                }
                case ClientProgram.ENDED ->
                        reading.take(new GenerationUpdate.Ended(-1, null), System.nanoTime());
                default -> {}
            }
            if (got >= kill.updates() && !reading.ended()) {
                Thread.sleep(kill.thenMillis());
                return new Life(sent, true);
            }
        }
        return new Life(sent, false);
    }

    private static GenerationUpdate.Tokens tokens(String[] words) {
        List<Integer> ids =
                words.length < 3
                        ? List.of()
                        : Arrays.stream(words[2].split(",")).map(Integer::valueOf).toList();
        return new GenerationUpdate.Tokens(-1, Integer.parseInt(words[1]), ids, "", List.of());
    }

    private Process start(String what, String argument) throws IOException {
        return new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx64m",
                        "-XX:+UseSerialGC",
                        "-XX:TieredStopAtLevel=1",
                        "-cp",
                        System.getProperty("java.class.path"),
                        ClientProgram.class.getName(),
                        bootstrap,
                        what,
                        argument)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    private static void pause() {
        try {
            Thread.sleep(RETRY_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
