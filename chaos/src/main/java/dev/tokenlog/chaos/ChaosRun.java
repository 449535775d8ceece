package dev.tokenlog.chaos;

import dev.tokenlog.chaos.CommitHistory.Commit;
import dev.tokenlog.chaos.HandOvers.Pauses;
import dev.tokenlog.chaos.Platform.Processor;
import dev.tokenlog.chaos.Schedule.ConversionKill;
import dev.tokenlog.chaos.Schedule.Kill;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/// One run: the platform comes up, hand-overs are measured, everything in the schedule is done to
/// it under load, it is left in peace until every generation has ended, and its log is judged.
final class ChaosRun {

    private static final long PARTITIONS_MILLIS = 60_000;
    private static final long REST_MILLIS = 600_000;
    private static final long LOOK_MILLIS = 20;
    private static final int FEWEST_IN_FLIGHT = 8;

    /// Between prompts beyond what is wanted: enough for halt points to be passed, too few to take
    /// the processors away from what starts again.
    private static final long TRICKLE_NANOS = 600_000_000;

    private static final int MOST_IN_FLIGHT = 30;
    private static final int MAX_TOKENS = 360;
    private static final int READ_AGAIN = 20;
    private static final String MODEL = "chaos";
    private static final ConversionKill RECIPE = new ConversionKill("int4", 32, "lsq", 0);

    private final ChaosOptions options;
    private final Schedule schedule;
    private final RunLog log;
    private long lastTrickle;

    ChaosRun(ChaosOptions options, Schedule schedule, RunLog log) {
        this.options = options;
        this.schedule = schedule;
        this.log = log;
    }

    Report run() throws Exception {
        try (Platform platform = Platform.start(options.root(), options.folder());
                Conversions conversions =
                        new Conversions(
                                platform, options.root().resolve("demo-model/model"), log)) {
            log.event("three brokers at %s", platform.bootstrap());
            List<Child> registry = new ArrayList<>();
            registry.add(platform.start(Processor.REGISTRY, List.of()));
            List<Child> validation = new ArrayList<>();
            validation.add(platform.start(Processor.VALIDATION, List.of()));
            validation.add(platform.start(Processor.VALIDATION, List.of()));
            conversions.start();
            List<Child> workers = new ArrayList<>();
            for (int i = 0; i < Schedule.WORKERS; i++) {
                workers.add(warmWorker(platform));
            }
            Path model = conversions.convert(MODEL, RECIPE);
            for (Child worker : workers) {
                worker.await(() -> WorkerPlace.hasPartitions(worker), PARTITIONS_MILLIS);
            }
            platform.hasNativeKernels(workers.getFirst().hasSaid("compute: NATIVE"));
            log.event("%s is served", MODEL);

            List<Load> loads = new ArrayList<>();
            Pauses planned = measure(platform, workers, loads, "planned", false);
            Pauses killed = measure(platform, workers, loads, "killed", true);
            Load load = new Load(platform.bootstrap(), MODEL, "chaos", options.seed());
            loads.add(load);
            for (Child worker : workers) {
                worker.stop(PARTITIONS_MILLIS);
            }
            if (options.kills() > 0) {
                attack(platform, conversions, load, registry, validation);
            }
            load.readAgain(READ_AGAIN);
            conversions.awaitServed();
            platform.stopProcessors();
            return judge(platform, conversions, loads, model, planned, killed);
        }
    }

    private Pauses measure(
            Platform platform, List<Child> workers, List<Load> loads, String name, boolean kill)
            throws InterruptedException {
        if (options.handOvers() == 0) {
            return Pauses.NONE;
        }
        Load load = new Load(platform.bootstrap(), MODEL, name, options.seed());
        loads.add(load);
        return new HandOvers(log, options.streams())
                .measure(workers, () -> warmWorker(platform), load, options.handOvers(), kill);
    }

    /// One that has its model before it joins, as an operator would have it.
    private Child warmWorker(Platform platform) {
        List<String> properties = new ArrayList<>();
        // They share the processors of one machine, which workers as operators have them do not.
        properties.add("tokenlog.inference.threads=1");
        // Said, so that they start as those of the schedule do where kernels are native.
        properties.add("tokenlog.compute=" + Schedule.AUTOMATIC);
        properties.addAll(options.worker());
        properties.add("tokenlog.inference.models.pinned=" + MODEL);
        return platform.start(Processor.INFERENCE, properties);
    }

    // ---- The attack

    private void attack(
            Platform platform,
            Conversions conversions,
            Load load,
            List<Child> registry,
            List<Child> validation)
            throws Exception {
        try (Network network = Network.open(platform.cluster().proxied());
                ExecutorService threads = Executors.newCachedThreadPool()) {
            int before = log.killed();
            List<Future<?>> running = new ArrayList<>();
            for (int i = 0; i < Schedule.WORKERS; i++) {
                WorkerPlace place = new WorkerPlace(i, platform, i == 0 ? network : null, log);
                List<Schedule.WorkerLife> lives = schedule.workers().get(i);
                running.add(threads.submit(run(() -> place.run(lives))));
            }
            running.add(
                    threads.submit(
                            run(() ->
                                    new BrokerFaults(platform.cluster(), log)
                                            .run(schedule.brokers()))));
            running.add(threads.submit(run(() -> conversions.run(schedule.conversions()))));
            running.add(
                    threads.submit(
                            run(() ->
                                    kills(
                                            platform,
                                            Processor.VALIDATION,
                                            validation,
                                            schedule.validations()))));
            running.add(
                    threads.submit(
                            run(() ->
                                    kills(
                                            platform,
                                            Processor.REGISTRY,
                                            registry,
                                            schedule.registry()))));
            running.add(
                    threads.submit(
                            run(() ->
                                    new ClientKills(platform.bootstrap(), load, log)
                                            .run(schedule.clients()))));
            while (running.stream().anyMatch(future -> !future.isDone())) {
                feed(load, log.killed() - before);
                Thread.sleep(LOOK_MILLIS);
            }
            for (Future<?> future : running) {
                ended(future);
            }
            reachTheRest(platform, load);
            rest(load);
        }
    }

    /// What was scheduled has to happen, or the run has shown less than it says: points at which
    /// nobody was halted get a worker of their own.
    private void reachTheRest(Platform platform, Load load) throws Exception {
        WorkerPlace place = new WorkerPlace(Schedule.WORKERS, platform, null, log);
        for (String point : schedule.points()) {
            if (!log.halts().containsKey(point)) {
                log.event("nobody was halted at %s yet", point);
                try (ExecutorService thread = Executors.newSingleThreadExecutor()) {
                    Future<?> reached = thread.submit(run(() -> place.reach(point)));
                    while (!reached.isDone()) {
                        feed(load, options.kills());
                        Thread.sleep(LOOK_MILLIS);
                    }
                    ended(reached);
                }
            }
        }
    }

    private interface Task {
        void run() throws Exception;
    }

    private static Callable<Void> run(Task task) {
        return () -> {
            task.run();
            return null;
        };
    }

    private static void ended(Future<?> future) throws Exception {
        try {
            future.get();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof Exception cause ? cause : e;
        }
    }

    /// As many generations as kills allow so far, and never so few that nothing is running.
    private void feed(Load load, int killed) {
        long allowed = (long) options.generations() * (killed + 1) / options.kills();
        boolean wanted = load.sent() < allowed && load.inFlight() < MOST_IN_FLIGHT;
        boolean idle =
                load.inFlight() < FEWEST_IN_FLIGHT
                        && System.nanoTime() - lastTrickle > TRICKLE_NANOS;
        if (wanted || idle) {
            load.send(MAX_TOKENS);
            lastTrickle = System.nanoTime();
        }
    }

    private void kills(
            Platform platform, Processor processor, List<Child> children, List<Kill> kills)
            throws InterruptedException {
        for (Kill kill : kills) {
            Thread.sleep(kill.delayMillis());
            Child victim = children.removeFirst();
            if (!victim.isAlive()) {
                log.violation(
                        new Violation(
                                "alive",
                                victim.name(),
                                "ended by itself, its log is " + victim.log()));
            }
            victim.kill();
            log.event("%s killed", victim.name());
            log.killed(victim.name().substring(4));
            children.add(platform.start(processor, List.of()));
        }
    }

    /// Nobody dies any more: what was sent has to come to its end.
    private void rest(Load load) throws InterruptedException {
        long until = System.nanoTime() + REST_MILLIS * 1_000_000;
        // Where generations are lost, no place becomes free for another.
        while (load.sent() < options.generations() && System.nanoTime() < until) {
            feed(load, options.kills());
            Thread.sleep(LOOK_MILLIS);
        }
        log.event("nobody dies any more, %d generations have not ended", load.inFlight());
        load.awaitEnds();
    }

    // ---- The judgement

    private Report judge(
            Platform platform,
            Conversions conversions,
            List<Load> loads,
            Path model,
            Pauses planned,
            Pauses killed)
            throws IOException, InterruptedException {
        double seconds = log.seconds();
        log.event("judging");
        RawLog tokens = RawLog.read(platform.bootstrap(), "tokens");
        RawLog prompts = RawLog.read(platform.bootstrap(), "prompts");
        List<Commit> commits =
                CommitHistory.read(platform.bootstrap(), "tokenlog-inference", "prompts");
        StreamJudge judge = new StreamJudge(tokens);
        judge.whole();
        List<Reading> readings =
                loads.stream().flatMap(load -> load.readings().values().stream()).toList();
        judge.nothingLost(readings.stream().map(Reading::id).toList());
        readings.forEach(judge::delivered);
        judge.committed(prompts, commits);
        try (Reference reference = new Reference(model)) {
            judge.undisturbed(reference.answers(prompts));
        }
        judge.violations().forEach(log::violation);
        conversions.judge();
        everyHaltWasHit();
        String other = new OtherJudge(options, log).judge(platform.bootstrap(), tokens);
        loads.forEach(Load::close);
        Collection<RawGeneration> generations = judge.generations();
        return new Report(
                schedule.seed(),
                seconds,
                log.kills(),
                log.halts(),
                platform.processesStarted(),
                generations.size(),
                generations.stream().mapToLong(g -> g.tokens().size()).sum(),
                generations.stream().mapToInt(g -> g.resumptions().size()).sum(),
                generations.stream().mapToInt(RawGeneration::attempts).max().orElse(0),
                (int) generations.stream().filter(ChaosRun::isPoisoned).count(),
                generations.stream().mapToInt(RawGeneration::voidEvents).sum(),
                commits.size(),
                readings.stream().mapToInt(Reading::readers).sum(),
                conversions.count(),
                planned,
                killed,
                other,
                log.violations());
    }

    private static boolean isPoisoned(RawGeneration generation) {
        return generation.end() != null && generation.end().path("code").asText().equals("POISON");
    }

    /// What was scheduled has to have happened, or the run has shown less than it says.
    private void everyHaltWasHit() {
        Map<String, Integer> halts = log.halts();
        schedule.points().stream()
                .filter(point -> !halts.containsKey(point))
                .forEach(point ->
                        log.violation(new Violation("halt", point, "was never hit in this run")));
    }
}
