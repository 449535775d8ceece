package dev.tokenlog.cli;

import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Unmatched;

/// Stands here for the help: the script does it before there is a jar to start.
@Command(
        name = "test",
        description =
                "Builds everything and runs every test that this machine can run; names those it skipped,"
                        + " and why.")
final class TestCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;

    @Option(
            names = "--require",
            paramLabel = "WHAT",
            description =
                    "kcat, model, docker, linux (comma separated): skipping what needs these is a"
                            + " failure.")
    private String require;

    @Unmatched private List<String> rest;

    @Override
    public Integer call() {
        throw CommandFailure.environment(
                "test needs the sources: run ./tokenlog test in a checkout");
    }
}
