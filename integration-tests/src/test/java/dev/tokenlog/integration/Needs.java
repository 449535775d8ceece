package dev.tokenlog.integration;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;

/// What a machine may lack. A test that needs it skips and says why; `./tokenlog test --require
/// kcat,model` turns that into a failure.
final class Needs {

    private Needs() {}

    private static List<String> required() {
        return List.of(System.getProperty("tokenlog.require", "").split(","));
    }

    static void that(String name, boolean there, String reason) {
        if (!there && required().contains(name)) {
            throw new AssertionError("--require " + name + ": " + reason);
        }
        assumeTrue(there, reason);
    }
}
