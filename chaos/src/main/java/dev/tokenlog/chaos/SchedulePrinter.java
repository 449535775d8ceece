package dev.tokenlog.chaos;

import java.io.PrintStream;

/// The schedule as text: the same seed prints the same.
final class SchedulePrinter {

    private SchedulePrinter() {}

    static void print(Schedule schedule, PrintStream out) {
        out.printf("seed %d, %d kills%n", schedule.seed(), schedule.kills());
        for (int place = 0; place < schedule.workers().size(); place++) {
            for (Schedule.WorkerLife life : schedule.workers().get(place)) {
                out.printf("worker %d  %s%n", place, life);
            }
        }
        schedule.brokers().forEach(fault -> out.printf("broker  %s%n", fault));
        schedule.conversions().forEach(kill -> out.printf("conversion  %s%n", kill));
        schedule.validations().forEach(kill -> out.printf("validation  %s%n", kill));
        schedule.registry().forEach(kill -> out.printf("registry  %s%n", kill));
        schedule.clients().forEach(kill -> out.printf("client  %s%n", kill));
    }
}
