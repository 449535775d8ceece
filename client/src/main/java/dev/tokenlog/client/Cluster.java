package dev.tokenlog.client;

import dev.tokenlog.client.Failures.Asked;
import dev.tokenlog.client.TokenlogException.Kind;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.EventHeaders;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ListenerProbe;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/// The client's connections to the cluster: one producer, one admin client, one reader that all
/// streams share, with a quick one before it for those that begin, and further readers for those
/// that have much to catch up.
final class Cluster implements AutoCloseable {

    private static final AtomicInteger NUMBER = new AtomicInteger();

    private static final ListOffsetsOptions COMMITTED =
            new ListOffsetsOptions(IsolationLevel.READ_COMMITTED);

    /// How long a fetch that finds nothing stays at its broker. So long waits a partition that is
    /// added meanwhile, and so often is each broker asked by a client that follows something.
    private static final Duration PATIENT = Duration.ofMillis(500);

    private static final Duration QUICK = Duration.ofMillis(25);

    /// For so long both read to a new stream: more than the patient one waits.
    private static final Duration BOTH = Duration.ofSeconds(1);

    private final ClientOptions options;
    private final Admin admin;
    private final Producer<byte[], byte[]> producer;
    private final LogReader live;
    private final Map<String, Topic> byName;
    private final Map<Topic, Integer> partitions = new HashMap<>();

    private Cluster(ClientOptions options, Admin admin, Producer<byte[], byte[]> producer) {
        this.options = options;
        this.admin = admin;
        this.producer = producer;
        this.byName =
                Arrays.stream(Topic.values())
                        .collect(
                                Collectors.toMap(
                                        topic -> topic.name(options.topicPrefix()),
                                        Function.identity()));
        this.live = reader("live").behind(consumer(QUICK), threadName("joining"), BOTH);
    }

    /// Connects, and finds out how the topics are cut.
    static Cluster connect(ClientOptions options) {
        Admin admin = null;
        try {
            ListenerProbe.require(options.kafka());
            admin = Admin.create(adminSettings(options));
            Map<Topic, Integer> counts = count(admin, options);
            Cluster cluster =
                    new Cluster(options, admin, new KafkaProducer<>(producerSettings(options)));
            cluster.partitions.putAll(counts);
            return cluster;
        } catch (KafkaException | TokenlogException | TopicException e) {
            if (admin != null) {
                admin.close(Duration.ZERO);
            }
            throw Failures.of(
                    connecting(options), new Asked(AclOperation.DESCRIBE, "the cluster"), e);
        }
    }

    private static Map<Topic, Integer> count(Admin admin, ClientOptions options) {
        String prefix = options.topicPrefix();
        List<String> names = Arrays.stream(Topic.values()).map(t -> t.name(prefix)).toList();
        Map<String, KafkaFuture<TopicDescription>> found =
                admin.describeTopics(names).topicNameValues();
        Map<Topic, Integer> counts = new HashMap<>();
        for (Topic topic : Topic.values()) {
            String name = topic.name(prefix);
            TopicDescription description =
                    Failures.await(
                            connecting(options) + ", topic " + name,
                            new Asked(AclOperation.DESCRIBE, "topic " + name),
                            found.get(name),
                            options.timeout());
            counts.put(topic, description.partitions().size());
        }
        int prompts = counts.get(Topic.PROMPTS);
        int tokens = counts.get(Topic.TOKENS);
        if (prompts != tokens) {
            throw new TokenlogException(
                    Kind.TOPICS,
                    "%s has %d partitions and %s %d; they must be equal"
                            .formatted(
                                    Topic.PROMPTS.name(prefix),
                                    prompts,
                                    Topic.TOKENS.name(prefix),
                                    tokens));
        }
        return counts;
    }

    String id() {
        return Failures.await(
                "asking for the cluster's id",
                new Asked(AclOperation.DESCRIBE, "the cluster"),
                admin.describeCluster().clusterId(),
                options.timeout());
    }

    private static String connecting(ClientOptions options) {
        return "connecting to " + options.kafka().get("bootstrap.servers");
    }

    private static Map<String, Object> adminSettings(ClientOptions options) {
        Map<String, Object> settings = new HashMap<>(options.kafka());
        settings.put("default.api.timeout.ms", milliseconds(options));
        settings.put("request.timeout.ms", Math.min(milliseconds(options), 30_000));
        return settings;
    }

    private static Map<String, Object> producerSettings(ClientOptions options) {
        Map<String, Object> settings = new HashMap<>(options.kafka());
        settings.put("key.serializer", ByteArraySerializer.class);
        settings.put("value.serializer", ByteArraySerializer.class);
        settings.put("acks", "all");
        settings.put("enable.idempotence", true);
        settings.put("linger.ms", 0);
        settings.put("request.timeout.ms", Math.min(milliseconds(options), 30_000));
        settings.put("delivery.timeout.ms", milliseconds(options));
        settings.put("max.block.ms", milliseconds(options));
        // The limits are the topics': each is checked before sending, by name.
        settings.put("max.request.size", Topic.DEAD_LETTER_LIMIT);
        return settings;
    }

    private static int milliseconds(ClientOptions options) {
        return Math.toIntExact(options.timeout().toMillis());
    }

    private KafkaConsumer<byte[], byte[]> consumer(Duration fetchWait) {
        Map<String, Object> settings = new HashMap<>(options.kafka());
        // Partitions are assigned by hand: what a file says about groups is not for this client.
        settings.keySet().removeIf(name -> name.startsWith("group."));
        settings.put("key.deserializer", ByteArrayDeserializer.class);
        settings.put("value.deserializer", ByteArrayDeserializer.class);
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "none");
        // The registry writes in transactions; elsewhere there are none, and this costs nothing.
        settings.put("isolation.level", "read_committed");
        settings.put("default.api.timeout.ms", milliseconds(options));
        settings.put("request.timeout.ms", Math.min(milliseconds(options), 30_000));
        settings.put("fetch.max.wait.ms", Math.toIntExact(fetchWait.toMillis()));
        return new KafkaConsumer<>(settings);
    }

    private LogReader reader(String purpose) {
        return new LogReader(consumer(PATIENT), byName::get, threadName(purpose));
    }

    private static String threadName(String purpose) {
        return "tokenlog-client-%s-%d".formatted(purpose, NUMBER.incrementAndGet());
    }

    ClientOptions options() {
        return options;
    }

    String name(Topic topic) {
        return topic.name(options.topicPrefix());
    }

    int partitionsOf(Topic topic) {
        return partitions.get(topic);
    }

    List<TopicPartition> all(Topic topic) {
        List<TopicPartition> all = new ArrayList<>();
        for (int partition = 0; partition < partitionsOf(topic); partition++) {
            all.add(new TopicPartition(name(topic), partition));
        }
        return all;
    }

    /// Appends a record, and waits until it is durable.
    RecordMetadata append(ProducerRecord<byte[], byte[]> record) {
        String doing = "sending to " + record.topic();
        Asked asked = new Asked(AclOperation.WRITE, "topic " + record.topic());
        try {
            return Failures.await(
                    doing, asked, producer.send(record), options.timeout().plusSeconds(1));
        } catch (KafkaException e) {
            throw Failures.of(doing, asked, e);
        }
    }

    /// Appends an event under its key to a topic that has one partition.
    RecordMetadata append(Topic topic, String key, Event event) {
        ProducerRecord<byte[], byte[]> record =
                new ProducerRecord<>(
                        name(topic), key.getBytes(StandardCharsets.UTF_8), EventJson.write(event));
        EventHeaders.describe(event, record.headers());
        return append(record);
    }

    /// Follows a topic from these offsets, for the events of one type that the filter takes.
    <E extends Event> EventStream<E> stream(
            String id,
            Map<TopicPartition, Long> from,
            Class<E> type,
            Predicate<LogEvent<E>> wanted,
            Predicate<E> last) {
        Feed<LogEvent<E>> feed = new Feed<>();
        Source source =
                followLive(
                        from,
                        new LogReader.Listener() {
                            @Override
                            public void onRecord(LogRecord record) {
                                record.event(type)
                                        .map(event -> LogEvent.of(record, event))
                                        .filter(wanted)
                                        .ifPresent(feed::put);
                            }

                            @Override
                            public void onFailure(TokenlogException reason) {
                                feed.fail(reason);
                            }
                        });
        return new EventStream<>(id, feed, last, source);
    }

    /// Offsets as the specification asks for them.
    Map<TopicPartition, Long> offsets(Collection<TopicPartition> where, OffsetSpec which) {
        Map<TopicPartition, OffsetSpec> request =
                where.stream().collect(Collectors.toMap(Function.identity(), _ -> which));
        Map<TopicPartition, Long> offsets = new HashMap<>();
        Failures.await(
                        "looking up offsets",
                        new Asked(AclOperation.DESCRIBE, "topics " + where),
                        admin.listOffsets(request, COMMITTED).all(),
                        options.timeout().plusSeconds(1))
                .forEach((partition, info) -> offsets.put(partition, info.offset()));
        return offsets;
    }

    Map<TopicPartition, Long> ends(Collection<TopicPartition> where) {
        return offsets(where, OffsetSpec.latest());
    }

    Map<TopicPartition, Long> beginnings(Collection<TopicPartition> where) {
        return offsets(where, OffsetSpec.earliest());
    }

    /// The first record appended at or after this time; the end where there is none.
    Map<TopicPartition, Long> since(Collection<TopicPartition> where, Instant time) {
        Map<TopicPartition, Long> ends = ends(where);
        Map<TopicPartition, Long> found =
                offsets(where, OffsetSpec.forTimestamp(time.toEpochMilli()));
        found.replaceAll((partition, offset) -> offset < 0 ? ends.get(partition) : offset);
        return found;
    }

    /// Follows partitions for a stream that begins near the end.
    Source followLive(Map<TopicPartition, Long> from, LogReader.Listener listener) {
        return live.follow(from, listener);
    }

    /// Follows partitions with a consumer of its own, for one that has much to catch up.
    Source followAlone(Map<TopicPartition, Long> from, LogReader.Listener listener) {
        LogReader alone = reader("catch-up");
        alone.follow(from, listener);
        return alone;
    }

    /// Shows every record of these topics, from the beginning to the end of now, in the order of
    /// each partition.
    void scan(Collection<Topic> topics, Consumer<LogRecord> visitor) {
        List<TopicPartition> where = topics.stream().flatMap(t -> all(t).stream()).toList();
        scan(beginnings(where), ends(where), visitor);
    }

    void scan(
            Map<TopicPartition, Long> from,
            Map<TopicPartition, Long> to,
            Consumer<LogRecord> visitor) {
        Map<TopicPartition, Long> open = new HashMap<>(to);
        open.entrySet().removeIf(end -> from.get(end.getKey()) >= end.getValue());
        if (open.isEmpty()) {
            return;
        }
        KafkaConsumer<byte[], byte[]> consumer = consumer(QUICK);
        try {
            consumer.assign(List.copyOf(open.keySet()));
            open.keySet().forEach(partition -> consumer.seek(partition, from.get(partition)));
            long silentSince = System.nanoTime();
            while (!open.isEmpty()) {
                var records = consumer.poll(Duration.ofMillis(200));
                for (ConsumerRecord<byte[], byte[]> raw : records) {
                    Long end = to.get(new TopicPartition(raw.topic(), raw.partition()));
                    if (raw.offset() < end) {
                        visitor.accept(new LogRecord(byName.get(raw.topic()), raw));
                    }
                }
                // Positions and not records: compaction and markers leave holes at the end.
                open.entrySet().removeIf(end -> consumer.position(end.getKey()) >= end.getValue());
                consumer.pause(
                        consumer.assignment().stream()
                                .filter(partition -> !open.containsKey(partition))
                                .toList());
                if (!records.isEmpty()) {
                    silentSince = System.nanoTime();
                } else if (System.nanoTime() - silentSince > options.timeout().toNanos()) {
                    throw new TokenlogException(
                            Kind.UNREACHABLE,
                            "reading %s: no answer from the Kafka cluster within %d s"
                                    .formatted(open.keySet(), options.timeout().toSeconds()));
                }
            }
        } catch (KafkaException e) {
            throw Failures.of(
                    "reading " + open.keySet(),
                    new Asked(AclOperation.READ, "topics " + open.keySet()),
                    e);
        } finally {
            consumer.close(CloseOptions.timeout(Duration.ZERO));
        }
    }

    @Override
    public void close() {
        live.close();
        producer.close(Duration.ofSeconds(2));
        admin.close(Duration.ofSeconds(2));
    }
}
