package dev.tokenlog.engine.architecture;

import java.nio.file.Path;

/// Reads a `config.json` into a [ModelPlan].
public final class ModelPlans {

    private ModelPlans() {}

    public static ModelPlan read(Path configJson) {
        throw new UnsupportedOperationException();
    }
}
