package dev.tokenlog.cli;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/// What every command has: help, and the terminal that it writes to.
final class CommonOptions {

    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Show this help.")
    private boolean help;

    Terminal terminal() {
        return ((TokenlogCommand) command.root().userObject()).terminal();
    }

    /// Variables that are no options of ours, like those of the hub.
    Map<String, String> environment() {
        return ((TokenlogCommand) command.root().userObject()).environment();
    }

    BufferedReader input() {
        return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    }

    /// The command, for its usage.
    CommandSpec command() {
        return command;
    }
}
