package dev.tokenlog.chaos;

import java.util.Locale;
import picocli.CommandLine;

/// `java -jar tokenlog-chaos.jar --help`.
public final class Chaos {

    private Chaos() {}

    public static void main(String[] arguments) {
        Locale.setDefault(Locale.ROOT);
        // Clients warn of every broker that is away, which here is the point.
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "off");
        System.exit(new CommandLine(new ChaosCommand()).execute(arguments));
    }
}
