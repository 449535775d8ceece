package dev.tokenlog.chaos;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;

/// What will be done to whom, in which order: made from a seed before anything starts, so that the
/// same seed gives the same schedule. When each fault comes is told relative to what the process
/// does ("when it has partitions, 740 ms later"), because no two runs are equally fast.
///
/// @param workers the lives of each worker's place, one after the other
/// @param brokers one after the other; the next comes when the cluster is whole again
/// @param conversions a conversion each, killed at a tensor
/// @param validations a kill each
/// @param registry a kill each
/// @param clients a process each that sends a prompt and reads its answer; on top of the others
record Schedule(
        long seed,
        List<List<WorkerLife>> workers,
        List<BrokerFault> brokers,
        List<ConversionKill> conversions,
        List<Kill> validations,
        List<Kill> registry,
        List<ClientKill> clients) {

    /// How a worker's life ends.
    enum End {
        /// kill -9, some time after it got partitions.
        KILLED(true),
        /// kill -9 while it starts.
        KILLED_STARTING(true),
        /// kill -9 of itself, at a halt point.
        HALTED(true),
        /// A segmentation fault in native code, at a halt point.
        CRASHED(true),
        /// SIGSTOP at a halt point until its session is over, then SIGCONT: it goes on as if
        /// nothing had happened, and is killed later.
        ZOMBIE(true),
        /// The network between it and the brokers is cut until its session is over; it is killed
        /// some time after that.
        CUT_OFF(true),
        /// SIGTERM, and another one starts: a rolling restart.
        STOPPED(false);

        private final boolean kill;

        End(boolean kill) {
            this.kill = kill;
        }

        boolean isKill() {
            return kill;
        }
    }

    /// @param halt `POINT:NTH:ACTION`, null without
    /// @param delayMillis from its first partitions to its end, or from its start
    /// @param pauseMillis how long a zombie is stopped (one with a claim to send: from when another
    ///   has claimed the attempt), or the network cut
    /// @param compute the kernels that it computes with
    /// @param clockOffsetSeconds how wrong its clock is
    record WorkerLife(
            End end,
            String halt,
            long delayMillis,
            long pauseMillis,
            String compute,
            int threads,
            int clockOffsetSeconds) {

        /// The name of the point at which it is to be halted.
        String point() {
            return halt.split(":")[0];
        }

        boolean hasClaimToSend() {
            return end == End.ZOMBIE && point().equals(BEFORE_CLAIM);
        }
    }

    enum BrokerEnd {
        KILL(true),
        /// The broker that is the active controller then.
        KILL_CONTROLLER(true),
        /// Its files cannot grow any more; it is killed if it does not end by itself.
        DISK_FULL(true),
        /// SIGSTOP, then SIGCONT.
        PAUSE(false);

        private final boolean kill;

        BrokerEnd(boolean kill) {
            this.kill = kill;
        }

        boolean isKill() {
            return kill;
        }
    }

    /// @param broker from 0 on
    /// @param delayMillis after the cluster was whole
    /// @param holdMillis how long it is away
    record BrokerFault(BrokerEnd end, int broker, long delayMillis, long holdMillis) {}

    /// @param code of the recipe, as are group size and scales
    /// @param tensor the worker is killed when this one has been reported
    record ConversionKill(String code, int groupSize, String scales, int tensor) {}

    record Kill(long delayMillis) {}

    /// @param updates of the answer that it has got when it dies; none: its prompt may be lost with
    ///   it, or not
    /// @param thenMillis from there, or from when it began to send, until it dies
    record ClientKill(long delayMillis, int updates, long thenMillis) {}

    /// The kernels that a worker chooses for itself.
    static final String AUTOMATIC = "auto";

    /// The one of them whose network can be cut is the first.
    static final int WORKERS = 3;

    static final int BROKERS = 3;

    /// The first pause of a broker and every third after it: longer than sessions and requests
    /// last.
    private static final long LONG_PAUSE_MILLIS = 30_000;

    /// A worker stopped here has chosen the number of an attempt and not sent its claim. Continued
    /// when its successor has claimed that number, it claims it a second time: only the fence keeps
    /// the two apart.
    private static final String BEFORE_CLAIM = "before-claim";

    /// A point at which a worker may be halted, and up to which occurrence.
    private record Halt(String point, int most) {}

    /// The points at which a worker may die as well.
    private static final List<Halt> HALTS =
            List.of(
                    new Halt("in-claim", 4),
                    new Halt("in-resume", 2),
                    new Halt("before-first-token", 4),
                    new Halt("between-groups", 16),
                    new Halt("after-last-token", 4),
                    new Halt("before-end", 4),
                    new Halt("after-end", 4),
                    new Halt("before-commit", 4));

    private static final List<String> CODES = List.of("int8", "int4");
    private static final List<Integer> GROUP_SIZES = List.of(32, 64, 128);

    /// Nobody dies.
    static Schedule none(long seed) {
        return new Schedule(seed, List.of(), List.of(), List.of(), List.of(), List.of(), List.of());
    }

    /// @param kills how many processes of the platform die; pauses, rolling restarts and clients
    ///   come on top
    static Schedule of(long seed, int kills) {
        Random random = new Random(seed);
        int brokers = Math.max(1, kills / 9);
        int conversions = Math.max(1, kills / 10);
        int validations = Math.max(1, kills / 16);
        int registry = Math.max(1, kills / 14);
        int workers = Math.max(1, kills - brokers - conversions - validations - registry);
        return new Schedule(
                seed,
                workers(random, workers),
                brokers(random, brokers),
                conversions(random, conversions),
                kills(random, validations, 6_000),
                kills(random, registry, 12_000),
                clients(random, Math.max(2, kills / 10)));
    }

    private static List<List<WorkerLife>> workers(Random random, int kills) {
        List<List<WorkerLife>> places = new ArrayList<>();
        for (int i = 0; i < WORKERS; i++) {
            places.add(new ArrayList<>());
        }
        List<Halt> halts = new ArrayList<>();
        for (int i = 0; i < kills; i++) {
            if (i % 7 == 6) {
                places.get(i % WORKERS)
                        .add(life(random, End.STOPPED, null, 500 + random.nextInt(3_000), 0));
            }
            if (halts.isEmpty()) {
                halts.addAll(HALTS);
                Collections.shuffle(halts, random);
                // Taken first, so that no schedule is too short for it.
                halts.add(new Halt(BEFORE_CLAIM, 2));
            }
            places.get(i % WORKERS).add(kill(random, i, halts));
        }
        return places.stream().map(List::copyOf).toList();
    }

    /// Every other kill is one at a halt point, each point in its turn.
    private static WorkerLife kill(Random random, int number, List<Halt> halts) {
        if (number % 2 == 1) {
            boolean starting = random.nextInt(8) == 0;
            if (number % (4 * WORKERS) == WORKERS) {
                return life(
                        random,
                        End.CUT_OFF,
                        null,
                        1_000 + random.nextInt(2_000),
                        4_000 + random.nextInt(8_000));
            }
            return life(
                    random,
                    starting ? End.KILLED_STARTING : End.KILLED,
                    null,
                    starting ? 200 + random.nextInt(2_500) : random.nextInt(4_000),
                    0);
        }
        Halt halt = halts.removeLast();
        int draw = random.nextInt(10);
        boolean claims = halt.point().equals(BEFORE_CLAIM);
        End end = claims || draw > 7 ? End.ZOMBIE : draw < 7 ? End.HALTED : End.CRASHED;
        String action =
                switch (end) {
                    case CRASHED -> "crash";
                    case ZOMBIE -> "stop";
                    default -> "kill";
                };
        return life(
                random,
                end,
                halt.point() + ":" + (1 + random.nextInt(halt.most())) + ":" + action,
                1_000 + random.nextInt(2_000),
                end == End.ZOMBIE ? pause(claims, random) : 0);
    }

    /// A life for a point that no other one has reached.
    static WorkerLife lastChance(String point) {
        boolean claims = point.equals(BEFORE_CLAIM);
        return new WorkerLife(
                claims ? End.ZOMBIE : End.HALTED,
                point + (claims ? ":1:stop" : ":1:kill"),
                claims ? 1_000 : 0,
                0,
                AUTOMATIC,
                1,
                0);
    }

    private static long pause(boolean claims, Random random) {
        return claims ? random.nextInt(300) : 7_000 + random.nextInt(3_000);
    }

    private static WorkerLife life(Random random, End end, String halt, long delay, long pause) {
        return new WorkerLife(
                end,
                halt,
                delay,
                pause,
                random.nextInt(5) == 0 ? "vector" : AUTOMATIC,
                1 + random.nextInt(2),
                random.nextInt(6) == 0 ? -3_600 : 0);
    }

    private static List<BrokerFault> brokers(Random random, int kills) {
        List<BrokerFault> faults = new ArrayList<>();
        for (int i = 0; i < kills; i++) {
            if (i % 3 == 2) {
                long hold = 3_000 + random.nextInt(12_000);
                faults.add(fault(random, BrokerEnd.PAUSE, i % 9 == 2 ? LONG_PAUSE_MILLIS : hold));
            }
            BrokerEnd end =
                    switch (i % 4) {
                        case 1 -> BrokerEnd.KILL_CONTROLLER;
                        case 3 -> BrokerEnd.DISK_FULL;
                        default -> BrokerEnd.KILL;
                    };
            faults.add(fault(random, end, random.nextInt(4_000)));
        }
        return List.copyOf(faults);
    }

    private static BrokerFault fault(Random random, BrokerEnd end, long hold) {
        return new BrokerFault(end, random.nextInt(BROKERS), 2_000 + random.nextInt(8_000), hold);
    }

    private static List<ConversionKill> conversions(Random random, int kills) {
        List<ConversionKill> conversions = new ArrayList<>();
        for (int i = 0; i < kills; i++) {
            conversions.add(
                    new ConversionKill(
                            CODES.get(i % CODES.size()),
                            GROUP_SIZES.get(i / 2 % 3),
                            i / 6 % 2 == 0 ? "lsq" : "absmax",
                            1 + random.nextInt(40)));
        }
        return List.copyOf(conversions);
    }

    private static List<Kill> kills(Random random, int count, int most) {
        List<Kill> kills = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            kills.add(new Kill(most / 4 + random.nextInt(most)));
        }
        return List.copyOf(kills);
    }

    private static List<ClientKill> clients(Random random, int count) {
        List<ClientKill> kills = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            kills.add(
                    new ClientKill(
                            500 + random.nextInt(5_000),
                            i % 3 * (1 + random.nextInt(4)),
                            random.nextInt(400)));
        }
        return List.copyOf(kills);
    }

    /// The points at which somebody is to be halted.
    Set<String> points() {
        return workers.stream()
                .flatMap(List::stream)
                .filter(life -> life.halt() != null)
                .map(WorkerLife::point)
                .collect(Collectors.toCollection(TreeSet::new));
    }

    /// How many processes of the platform die.
    int kills() {
        int ofWorkers =
                (int) workers.stream().flatMap(List::stream).filter(l -> l.end().isKill()).count();
        int ofBrokers = (int) brokers.stream().filter(b -> b.end().isKill()).count();
        return ofWorkers + ofBrokers + conversions.size() + validations.size() + registry.size();
    }
}
