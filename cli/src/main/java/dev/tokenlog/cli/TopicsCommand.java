package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.contracts.Participant;
import dev.tokenlog.contracts.Topic;
import dev.tokenlog.contracts.TopicAdmin;
import dev.tokenlog.contracts.TopicException;
import dev.tokenlog.contracts.TopicLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(
        name = "topics",
        description =
                "Creates the topics that a cluster lacks, checks all of them, and sets how fast the workers'"
                        + " group notices a lost member. Exit status 1 if something is wrong.")
final class TopicsCommand implements Callable<Integer> {

    /// A lost worker's partitions are taken over after this long, instead of the cluster's 45 s.
    private static final Duration HEARTBEAT = Duration.ofMillis(200);

    private static final Duration SESSION = Duration.ofSeconds(6);

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Option(
            names = "--partitions",
            paramLabel = "N",
            description =
                    "Partitions of prompts and tokens (default: what they have, 12 where they are new).")
    private Integer partitions;

    @Option(
            names = "--replication",
            paramLabel = "N",
            defaultValue = "3",
            description = "Copies of every partition (default: 3).")
    private short replication;

    @Option(names = "--check", description = "Change nothing.")
    private boolean checkOnly;

    @Option(
            names = "--acls",
            description = "Print the rights that each participant needs, and end.")
    private boolean acls;

    @Option(
            names = "--principal",
            paramLabel = "NAME",
            defaultValue = "User:tokenlog",
            description = "Who gets them (default: ${DEFAULT-VALUE}).")
    private String principal;

    @Option(
            names = "--for",
            paramLabel = "PARTICIPANT",
            description =
                    "With --acls, only for: conversion-processor, validation-processor, registry-processor,"
                            + " inference-processor, client or operator.")
    private String participant;

    @Override
    public Integer call() {
        if (acls) {
            printAcls();
            return ExitStatus.DONE;
        }
        ConnectionOptions.Target target = connection.reachableTarget();
        String prefix = target.topicPrefix();
        try (TopicAdmin admin =
                TopicAdmin.connect(target.kafka(), prefix, connection.callTimeout())) {
            if (!checkOnly) {
                admin.renew();
            }
            // Whoever names no number is content with the one that the topics have.
            boolean complete = partitions == null && admin.check(OptionalInt.empty()).isEmpty();
            List<Topic> created = checkOnly || complete ? List.of() : admin.create(layout());
            List<TopicException.Problem> problems =
                    new ArrayList<>(
                            created.isEmpty()
                                    ? admin.check(OptionalInt.empty())
                                    : admin.checkCreated(OptionalInt.empty()));
            String groupProblem = checkOnly ? null : setGroupTimes(admin, prefix);
            report(prefix, created, problems, groupProblem);
            return problems.isEmpty() ? ExitStatus.DONE : ExitStatus.NO;
        }
    }

    private TopicLayout layout() {
        try {
            return new TopicLayout(partitions == null ? 12 : partitions, replication);
        } catch (IllegalArgumentException e) {
            throw new CommandFailure(ExitStatus.USAGE, e.getMessage(), e);
        }
    }

    /// Longer times are slower, not wrong: a cluster that forbids ours still works.
    private static String setGroupTimes(TopicAdmin admin, String prefix) {
        try {
            for (Participant part : Participant.withGroupTimes()) {
                for (String group : part.groups(prefix)) {
                    admin.setGroupTimes(group, HEARTBEAT, SESSION);
                }
            }
            return null;
        } catch (TopicException e) {
            return e.getMessage();
        }
    }

    private void report(
            String prefix,
            List<Topic> created,
            List<TopicException.Problem> problems,
            String groupProblem) {
        Terminal terminal = common.terminal();
        if (output.json) {
            ObjectNode answer = Json.object();
            ArrayNode made = answer.putArray("created");
            created.forEach(topic -> made.add(topic.name(prefix)));
            answer.set("problems", Json.of(problems));
            if (groupProblem != null) {
                answer.put("group_problem", groupProblem);
            }
            terminal.line(Json.text(answer));
            return;
        }
        Table table = new Table("topic", "key", "kept", "state");
        for (Topic topic : Topic.values()) {
            String name = topic.name(prefix);
            List<TopicException.Problem> its =
                    problems.stream().filter(p -> p.topic().equals(name)).toList();
            String state =
                    !its.isEmpty()
                            ? "%s is %s, expected %s"
                                    .formatted(
                                            its.getFirst().setting(),
                                            its.getFirst().found(),
                                            its.getFirst().expected())
                            : created.contains(topic) ? "created" : "as it should be";
            table.row(name, topic.key(), topic.kept().name(), state);
        }
        table.print(terminal);
        if (groupProblem != null) {
            terminal.err("tokenlog: " + Terminal.oneLine(groupProblem));
        }
    }

    private List<Participant> participants() {
        if (participant == null) {
            return List.of(Participant.values());
        }
        return Arrays.stream(Participant.values())
                .filter(part -> part.title().equals(participant))
                .findFirst()
                .map(List::of)
                .orElseThrow(() ->
                        CommandFailure.usage(
                                "--for %s: expected one of %s"
                                        .formatted(
                                                participant,
                                                Arrays.stream(Participant.values())
                                                        .map(Participant::title)
                                                        .toList())));
    }

    /// As arguments of Kafka's own tool.
    private void printAcls() {
        String prefix = connection.target().topicPrefix();
        ArrayNode list = Json.object().putArray("acls");
        for (Participant part : participants()) {
            List<String> commands = part.aclCommands(prefix, principal);
            if (output.json) {
                ObjectNode node = list.addObject().put("participant", part.name());
                node.set("kafka_acls", Json.of(commands));
            } else {
                common.terminal().line("# " + part.title());
                commands.forEach(line -> common.terminal().line("kafka-acls.sh " + line));
            }
        }
        if (output.json) {
            common.terminal().line(Json.text(Json.object().set("acls", list)));
        }
    }
}
