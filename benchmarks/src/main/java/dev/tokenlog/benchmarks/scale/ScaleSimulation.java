package dev.tokenlog.benchmarks.scale;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/// What happens far beyond one machine: `docs/scale.md` explains the model and shows the output.
/// Every input can be given as `name=value`; the defaults are figures measured on this code
/// (`docs/measurements.md`, [BrokerCost]) or, where they say so, assumptions about hardware.
///
/// `ScaleSimulation [workers=1000 partitions=10000 streams=1000000 …]`
public final class ScaleSimulation {

    private final Map<String, Double> inputs = new HashMap<>();
    private final Random random = new Random(42);

    private ScaleSimulation(String[] arguments) {
        // The question.
        inputs.put("workers", 1_000.0);
        inputs.put("partitions", 10_000.0);
        inputs.put("streams", 1_000_000.0);
        inputs.put("tokens_per_second", 10.0); // of one stream: what people read
        inputs.put("answer_tokens", 300.0); // mean; lengths are exponential
        inputs.put("prompt_tokens", 400.0);
        inputs.put("kilobytes_prompt", 2.0);
        // Measured: BrokerCost. A request to write, each record in it, the same to read.
        inputs.put("write_us_request", 150.0);
        inputs.put("write_us_record", 0.5);
        inputs.put("read_us_request", 100.0);
        inputs.put("read_us_record", 0.1);
        // Measured: prompt against decode of one worker (TinyLlama's shape, batch 8).
        inputs.put("prefill_over_decode", 1.6);
        // Measured on two cores: the worker's protocol (one thread) for each event, an upper bound.
        inputs.put("protocol_us_event", 100.0);
        // Assumed: how fast a new owner reads the log.
        inputs.put("fold_records_per_second", 100_000.0);
        // Assumed hardware: a broker of 16 cores, 25 Gbit/s, 2 GB/s to its disks.
        inputs.put("brokers", 30.0);
        inputs.put("broker_cores", 16.0);
        inputs.put("broker_gigabit", 25.0);
        inputs.put("broker_disk_gigabytes", 2.0);
        inputs.put("broker_replicas", 4_000.0);
        inputs.put("broker_connections", 10_000.0);
        inputs.put("worker_headroom", 1.25); // over the mean load
        // Settings.
        inputs.put("replication", 3.0);
        inputs.put("group_ms", 100.0); // of a worker that runs eight or more generations
        inputs.put("group_tokens", 64.0);
        inputs.put("heartbeat_s", 5.0);
        inputs.put("session_s", 45.0);
        for (String argument : arguments) {
            String[] parts = argument.split("=", 2);
            if (parts.length != 2 || !inputs.containsKey(parts[0])) {
                throw new IllegalArgumentException(
                        argument + ": expected name=value of " + inputs.keySet());
            }
            inputs.put(parts[0], Double.parseDouble(parts[1]));
        }
    }

    public static void main(String[] arguments) {
        ScaleSimulation simulation = new ScaleSimulation(arguments);
        simulation.workers();
        simulation.brokers();
        simulation.growth();
        simulation.placement();
        simulation.rebalance();
    }

    private double in(String name) {
        return inputs.get(name);
    }

    /// What one worker has to do, beside computing.
    private void workers() {
        double streams = in("streams") / in("workers");
        double tokens = streams * in("tokens_per_second");
        System.out.printf("a worker: %,.0f streams, %,.0f tokens/s%n", streams, tokens);
        for (double group : new double[] {in("group_ms"), 500, 1_000}) {
            double events =
                    tokens
                            / Math.clamp(
                                    in("tokens_per_second") * group / 1_000, 1, in("group_tokens"));
            System.out.printf(
                    "groups of %,.0f ms: %,.0f events/s, the protocol's thread is busy for %.0f %%%n",
                    group, events, events * in("protocol_us_event") / 1e4);
        }
    }

    /// How streams reach their readers.
    private enum Readers {
        /// Every client reads its stream's partition itself.
        CLIENTS,
        /// Gateways read each partition once and pass streams on.
        GATEWAYS
    }

    /// @param groupMillis of token events
    private record Design(String name, Readers readers, double groupMillis) {}

    private List<Design> designs() {
        return List.of(
                new Design("as configured, a consumer per client", Readers.CLIENTS, in("group_ms")),
                new Design("as configured, gateways", Readers.GATEWAYS, in("group_ms")),
                new Design("groups of 500 ms, gateways", Readers.GATEWAYS, 500),
                new Design("groups of 1 s, gateways", Readers.GATEWAYS, 1_000));
    }

    /// What all brokers together have to do each second.
    ///
    /// @param replicas of partitions
    private record Load(
            double records,
            double cores,
            double gigabitOut,
            double diskGigabytes,
            double replicas,
            double connections) {}

    private Load load(Design design, double streams) {
        double tokensPerGroup =
                Math.clamp(
                        in("tokens_per_second") * design.groupMillis() / 1_000,
                        1,
                        in("group_tokens"));
        double answers = streams * in("tokens_per_second") / in("answer_tokens");
        // A first token at once, the groups, a start and an end.
        double records = streams * in("tokens_per_second") / tokensPerGroup + 3 * answers;
        double bytes = records * BrokerCost.bytes(BrokerCost.event("tokens", (int) tokensPerGroup));
        double prompts = answers * in("kilobytes_prompt") * 1e3;
        // A worker sends what all its generations have in one request to each broker that leads
        // some
        // of its partitions; with few generations, fewer partitions have something to say.
        double flushes = 1_000 / design.groupMillis();
        double perWorker = records / in("workers");
        double leaders =
                Math.min(
                        Math.min(in("brokers"), in("partitions") / in("workers")),
                        Math.max(1, perWorker / flushes));
        double writes = in("workers") * Math.min(perWorker, flushes * leaders);
        double readers =
                switch (design.readers()) {
                    case CLIENTS -> streams / in("partitions");
                    case GATEWAYS -> 1;
                };
        // Workers read their own partitions back; a client follows one partition, a gateway and a
        // replica follow many in one request.
        double reads = records * (readers + 1);
        double copies = in("replication") - 1;
        double readRequests =
                writes
                        + switch (design.readers()) {
                            case CLIENTS -> streams * Math.min(perPartition(records), flushes);
                            case GATEWAYS -> gateways() * in("brokers") * flushes;
                        };
        double copyRequests = in("brokers") * (in("brokers") - 1) * 100;
        double cores =
                (writes * in("write_us_request")
                                + records * (1 + copies) * in("write_us_record")
                                + (readRequests + copyRequests) * in("read_us_request")
                                + (reads + records * copies) * in("read_us_record"))
                        / 1e6;
        double out = (bytes * (readers + 1) + bytes * copies + prompts * (1 + copies)) * 8 / 1e9;
        double disk = (bytes + prompts) * in("replication") / 1e9;
        double connections =
                in("workers") * Math.min(in("brokers"), 3)
                        + switch (design.readers()) {
                            case CLIENTS -> streams * 2;
                            case GATEWAYS -> gateways() * in("brokers");
                        };
        return new Load(
                records, cores, out, disk, 2 * in("partitions") * in("replication"), connections);
    }

    private double perPartition(double records) {
        return records / in("partitions");
    }

    /// Processes that read every partition once between them.
    private double gateways() {
        return in("workers") / 5;
    }

    /// Brokers that each resource asks for.
    private Map<String, Double> brokersFor(Load load) {
        Map<String, Double> needed = new HashMap<>();
        needed.put("processor", load.cores() / in("broker_cores") / 0.6);
        needed.put("network", load.gigabitOut() / in("broker_gigabit") / 0.6);
        needed.put("disk", load.diskGigabytes() / in("broker_disk_gigabytes") / 0.6);
        needed.put("replicas", load.replicas() / in("broker_replicas"));
        needed.put("connections", load.connections() / in("broker_connections"));
        return needed;
    }

    private static String first(Map<String, Double> needed) {
        return needed.entrySet().stream()
                .max(Map.Entry.comparingByValue())
                .map(Map.Entry::getKey)
                .orElseThrow();
    }

    private void brokers() {
        System.out.printf(
                "%nbrokers needed for %,.0f streams of %.0f tokens/s (60 %% of each resource used)%n",
                in("streams"), in("tokens_per_second"));
        System.out.printf(
                "%-38s %12s %9s %9s %6s %9s %12s  %s%n",
                "",
                "records/s",
                "processor",
                "network",
                "disk",
                "replicas",
                "connections",
                "first limit");
        for (Design design : designs()) {
            Load load = load(design, in("streams"));
            Map<String, Double> needed = brokersFor(load);
            System.out.printf(
                    "%-38s %,12.0f %9.1f %9.1f %6.1f %9.1f %12.1f  %s%n",
                    design.name(),
                    load.records(),
                    needed.get("processor"),
                    needed.get("network"),
                    needed.get("disk"),
                    needed.get("replicas"),
                    needed.get("connections"),
                    first(needed));
        }
    }

    /// At which number of streams the given brokers are full.
    private void growth() {
        System.out.printf(
                "%nstreams that %.0f brokers carry, and what stops them%n", in("brokers"));
        for (Design design : designs()) {
            double low = 0;
            double high = 1e9;
            for (int i = 0; i < 60; i++) {
                double middle = (low + high) / 2;
                boolean fits =
                        brokersFor(load(design, middle)).values().stream()
                                .allMatch(needed -> needed <= in("brokers"));
                low = fits ? middle : low;
                high = fits ? high : middle;
            }
            System.out.printf(
                    "%-38s %,12.0f  %s%n",
                    design.name(), low, first(brokersFor(load(design, high + 1))));
        }
    }

    private void placement() {
        System.out.printf(
                "%nkeys: fullest partition and worker over the mean, and workers above their headroom of %.2f%n",
                in("worker_headroom"));
        for (double hot : new double[] {0, 0.0001, 0.0005, 0.001, 0.01}) {
            Placement placement =
                    Placement.of(
                            (int) in("streams"),
                            (int) in("partitions"),
                            (int) in("workers"),
                            hot,
                            random);
            double mean = in("streams") / in("workers");
            long over =
                    Arrays.stream(placement.ofWorker())
                            .filter(streams -> streams > in("worker_headroom") * mean)
                            .count();
            System.out.printf(
                    "%6.2f %% of all streams under one key: partition %8.1f x, worker %6.2f x, %d overloaded%n",
                    100 * hot, placement.worstPartition(), placement.worstWorker(), over);
        }
    }

    private void rebalance() {
        int workers = (int) in("workers");
        System.out.printf(
                "%nhand-over: heartbeat %.1f s, session %.0f s; the broker's own assignor, timed%n",
                in("heartbeat_s"), in("session_s"));
        System.out.printf("heartbeats to the coordinator: %,.0f/s%n", workers / in("heartbeat_s"));
        for (int gone : new int[] {1, 10, 100}) {
            GroupMoves group = new GroupMoves((int) in("partitions"), workers);
            gaps("kill -9 of " + gone, group.leave(gone), in("session_s"));
        }
        GroupMoves group = new GroupMoves((int) in("partitions"), workers);
        gaps("10 workers leave in order", group.leave(10), 0);
        gaps("10 workers join", group.join(10), 0);
    }

    /// The pause in the streams that move: until the new owner hears of it, has read the log from
    /// the safe beginning, and has computed prompt and tokens again, stream after stream.
    private void gaps(String name, GroupMoves.Move move, double detection) {
        double perPartition = in("streams") / in("partitions");
        double capacity =
                in("streams") / in("workers") * in("tokens_per_second") * in("worker_headroom");
        double prefillRate = capacity * in("prefill_over_decode");
        double answerSeconds = in("answer_tokens") / in("tokens_per_second");
        List<Double> gaps = new ArrayList<>();
        for (int partition = 0; partition < Math.min(move.moved(), 2_000); partition++) {
            double learned =
                    detection + move.millis() / 1e3 + random.nextDouble() * in("heartbeat_s");
            double oldest = 0;
            List<Double> ages = new ArrayList<>();
            for (int i = 0; i < perPartition; i++) {
                // An exponential length has no memory: so has the age of one that runs.
                double age = -answerSeconds * Math.log(1 - random.nextDouble());
                ages.add(age);
                oldest = Math.max(oldest, age);
            }
            Load load = load(designs().get(1), in("streams"));
            double records = load.records() / in("partitions") * oldest;
            double at = learned + records / in("fold_records_per_second");
            ages.sort(Comparator.naturalOrder());
            for (double age : ages) {
                double tokens = in("prompt_tokens") + age * in("tokens_per_second");
                // Others of the same worker that moved with it share the engine.
                at += tokens / prefillRate * Math.max(1, move.toOne());
                gaps.add(at);
            }
        }
        gaps.sort(Comparator.naturalOrder());
        System.out.printf(
                "%-28s assignor %6.1f ms, %5d partitions move (%d to one worker), %,9d streams pause: p50 %.1f s, p99 %.1f s%n",
                name,
                move.millis(),
                move.moved(),
                move.toOne(),
                (long) (move.moved() * perPartition),
                gaps.isEmpty() ? 0 : gaps.get(gaps.size() / 2),
                gaps.isEmpty() ? 0 : gaps.get((int) (gaps.size() * 0.99)));
    }
}
