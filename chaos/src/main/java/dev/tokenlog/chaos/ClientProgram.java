package dev.tokenlog.chaos;

import dev.tokenlog.client.ClientOptions;
import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.GenerationUpdate;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.UnreadableEventException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.stream.Collectors;

/// A client in a process of its own, to be killed: says on standard output what it is given, a line
/// each, so that who started it knows what it had when it died.
///
/// `ClientProgram BOOTSTRAP send PROMPT-AS-JSON` or `ClientProgram BOOTSTRAP read GENERATION`
final class ClientProgram {

    /// The prompt is about to be sent.
    static final String SENDING = "sending";

    /// And has been taken by the log.
    static final String SENT = "sent";

    /// `tokens INDEX ID,ID,…`
    static final String TOKENS = "tokens";

    static final String ENDED = "ended";

    private static final Duration TIMEOUT = Duration.ofSeconds(15);
    private static final Duration SILENCE = Duration.ofSeconds(20);

    private ClientProgram() {}

    public static void main(String[] arguments) throws UnreadableEventException {
        endWithItsParent();
        ClientOptions options =
                ClientOptions.of(Map.of("bootstrap.servers", arguments[0]), "")
                        .withTimeout(TIMEOUT);
        try (TokenlogClient client = TokenlogClient.connect(options)) {
            if (arguments[1].equals("send")) {
                byte[] json = arguments[2].getBytes(StandardCharsets.UTF_8);
                say(SENDING);
                try (GenerationStream stream =
                        client.generate(EventJson.read(json, PromptSubmitted.class))) {
                    say(SENT);
                    follow(stream);
                }
            } else {
                try (GenerationStream stream = client.attach(arguments[2])) {
                    follow(stream);
                }
            }
        } catch (TokenlogException e) {
            System.err.println(e);
            System.exit(1);
        }
    }

    /// Whose end closes its standard input.
    private static void endWithItsParent() {
        Thread.ofPlatform()
                .daemon()
                .start(() -> {
                    try {
                        System.in.transferTo(OutputStream.nullOutputStream());
                    } catch (IOException e) {
                        System.err.println(e);
                    }
                    Runtime.getRuntime().halt(1);
                });
    }

    private static void follow(GenerationStream stream) {
        while (!stream.ended()) {
            switch (stream.next(SILENCE).orElse(null)) {
                case GenerationUpdate.Tokens part ->
                        say(
                                "%s %d %s"
                                        .formatted(
                                                TOKENS,
                                                part.index(),
                                                part.tokenIds().stream()
                                                        .map(String::valueOf)
                                                        .collect(Collectors.joining(","))));
                case GenerationUpdate.Ended _ -> say(ENDED);
                case null, default -> {}
            }
        }
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }
}
