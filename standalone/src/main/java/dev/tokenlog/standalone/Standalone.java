package dev.tokenlog.standalone;

import io.quarkus.runtime.annotations.QuarkusMain;
import picocli.CommandLine;

/// Starts the whole platform: `java -jar quarkus-run.jar --help`.
@QuarkusMain
public final class Standalone {

    private Standalone() {}

    public static void main(String[] arguments) {
        System.exit(new CommandLine(new StandaloneCommand()).execute(arguments));
    }
}
