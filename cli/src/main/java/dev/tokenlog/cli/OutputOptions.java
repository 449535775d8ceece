package dev.tokenlog.cli;

import picocli.CommandLine.Option;

/// Shared by all commands that answer.
final class OutputOptions {

    @Option(names = "--json", description = "Print JSON and nothing else on standard output.")
    boolean json;
}
