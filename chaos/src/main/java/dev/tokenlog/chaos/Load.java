package dev.tokenlog.chaos;

import dev.tokenlog.client.GenerationHandle;
import dev.tokenlog.client.GenerationStream;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.PromptEvent;
import dev.tokenlog.contracts.PromptEvent.Message;
import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.contracts.UnsignedSeed;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;

/// Clients: prompts go out, streams are read, and readers die and read again from the beginning.
final class Load implements AutoCloseable {

    private static final Duration SILENCE = Duration.ofSeconds(20);
    private static final Duration TIMEOUT = Duration.ofSeconds(15);
    private static final long RETRY_MILLIS = 500;
    private static final long LOOK_MILLIS = 20;
    private static final long ENDS_NANOS = Duration.ofMinutes(10).toNanos();

    private static final List<String> WHO =
            List.of("fox", "baker", "robot", "sailor", "clock", "owl", "painter", "river");
    private static final List<String> WHAT =
            List.of("lantern", "map", "seed", "letter", "key", "drum", "mirror", "stone");

    private final String model;
    private final String name;
    private final Random random;
    private final List<TokenlogClient> clients = new ArrayList<>();
    private final Map<String, Reading> readings = new ConcurrentHashMap<>();
    private final AtomicInteger inFlight = new AtomicInteger();
    private final AtomicBoolean closed = new AtomicBoolean();
    private int sent;

    /// @param name what generation ids begin with
    Load(String bootstrap, String model, String name, long seed) {
        this.model = model;
        this.name = name;
        this.random = new Random(seed);
        for (int i = 0; i < 2; i++) {
            clients.add(
                    TokenlogClient.connect(
                            dev.tokenlog.client.ClientOptions.of(
                                            Map.of("bootstrap.servers", bootstrap), "")
                                    .withTimeout(TIMEOUT)));
        }
    }

    /// Sends one more prompt and reads its generation, on a thread of its own.
    ///
    /// @param maxTokens at most; the least is a quarter of it
    synchronized void send(int maxTokens) {
        // Each client's reader dies after this many updates, and reads again; most live on.
        int dies = random.nextInt(4) == 0 ? 1 + random.nextInt(6) : Integer.MAX_VALUE;
        TokenlogClient client = clients.get(sent % clients.size());
        sendBy(maxTokens, (prompt, reading) -> read(client, prompt, reading, dies));
    }

    /// The same by somebody else.
    synchronized void sendBy(int maxTokens, BiConsumer<PromptSubmitted, Reading> reader) {
        PromptSubmitted prompt = prompt(sent++, maxTokens);
        Reading reading = new Reading(prompt.generationId());
        readings.put(reading.id(), reading);
        inFlight.incrementAndGet();
        Thread.ofVirtual()
                .name("reader-" + reading.id())
                .start(() -> {
                    try {
                        reader.accept(prompt, reading);
                    } catch (RuntimeException e) {
                        reading.problem("the client failed: " + e);
                    } finally {
                        inFlight.decrementAndGet();
                    }
                });
    }

    private PromptSubmitted prompt(int number, int maxTokens) {
        String text =
                "Tell me a story about a %s who finds a %s, part %d."
                        .formatted(
                                WHO.get(random.nextInt(WHO.size())),
                                WHAT.get(random.nextInt(WHAT.size())),
                                1 + random.nextInt(9));
        return PromptEvent.PromptSubmitted.ofMessages(model, List.of(new Message("user", text)))
                .generationId("%s-%d".formatted(name, number))
                .maxTokens(maxTokens / 4 + random.nextInt(maxTokens - maxTokens / 4 + 1))
                .temperature(0.8)
                .topP(0.95)
                .seed(new UnsignedSeed(random.nextInt(Integer.MAX_VALUE)))
                .build();
    }

    private void read(TokenlogClient client, PromptSubmitted prompt, Reading reading, int dies) {
        GenerationHandle handle = null;
        int life = dies;
        while (!reading.ended() && !closed.get()) {
            try (GenerationStream stream =
                    handle == null ? client.generate(prompt) : client.stream(handle)) {
                handle = stream.handle();
                reading.begin();
                follow(stream, reading, life);
                life = Integer.MAX_VALUE;
            } catch (TokenlogException e) {
                if (e.kind() == TokenlogException.Kind.REFUSED) {
                    throw e;
                }
                // No broker, or a slow one: the same prompt again is the same generation.
                pause();
            }
        }
    }

    private void follow(GenerationStream stream, Reading reading, int life) {
        for (int updates = 0; updates < life && !stream.ended() && !closed.get(); updates++) {
            stream.next(SILENCE).ifPresent(update -> reading.take(update, System.nanoTime()));
        }
    }

    private static void pause() {
        try {
            Thread.sleep(RETRY_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    synchronized int sent() {
        return sent;
    }

    boolean isClosed() {
        return closed.get();
    }

    /// Generations whose end no reader has seen yet.
    int inFlight() {
        return inFlight.get();
    }

    Map<String, Reading> readings() {
        return readings;
    }

    /// Waits for the ends of what was sent, but not for ever: a generation may be lost, which is
    /// for the judge to say.
    void awaitEnds() throws InterruptedException {
        long until = System.nanoTime() + ENDS_NANOS;
        while (inFlight() > 0 && System.nanoTime() < until) {
            Thread.sleep(LOOK_MILLIS);
        }
    }

    /// Reads whole generations again by their id alone, as somebody does who comes later.
    void readAgain(int count) {
        List<Reading> ended =
                readings.values().stream()
                        .filter(Reading::ended)
                        .sorted(Comparator.comparing(Reading::id))
                        .limit(count)
                        .toList();
        for (Reading reading : ended) {
            String id = reading.id();
            reading.begin();
            try (GenerationStream stream = clients.getFirst().attach(id)) {
                follow(stream, reading, Integer.MAX_VALUE);
            } catch (TokenlogException e) {
                reading.problem("cannot be read again: " + e.getMessage());
            }
        }
    }

    @Override
    public void close() {
        closed.set(true);
        clients.forEach(TokenlogClient::close);
    }
}
