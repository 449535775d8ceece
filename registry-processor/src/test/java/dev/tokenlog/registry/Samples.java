package dev.tokenlog.registry;

import dev.tokenlog.contracts.AccuracyEvent.ValidationFinished;
import dev.tokenlog.contracts.AccuracyEvent.Verdict;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.EventJson;
import dev.tokenlog.contracts.ModelManifest;
import dev.tokenlog.contracts.ModelServing;
import dev.tokenlog.contracts.UnreadableEventException;

/// Events about a model `demo`.
final class Samples {

    static final String A = digest('a');
    static final String B = digest('b');
    static final String C = digest('c');

    private Samples() {}

    static ModelManifest manifest(String modelId, String digest, String conversionId) {
        return new ModelManifest(
                modelId,
                digest,
                "w",
                "m",
                "/artifacts/" + digest,
                "/models/demo",
                "llama",
                "int4-g32",
                4,
                4.5,
                5_000_000,
                3_000_000,
                56,
                512,
                conversionId,
                "tokenlog-1",
                null);
    }

    static ValidationFinished finished(
            String digest, Verdict verdict, ErrorCode code, String message) {
        return new ValidationFinished(
                "v-" + verdict,
                "demo",
                digest,
                "cpu-2/kv16",
                "float-1/kv32",
                "default-4bit",
                verdict,
                code,
                message,
                10,
                4096,
                1.7,
                1.66,
                0.01,
                0.99,
                1200,
                "w");
    }

    static ModelServing serving(byte[] value) {
        try {
            return EventJson.read(value, ModelServing.class);
        } catch (UnreadableEventException e) {
            throw new AssertionError(e);
        }
    }

    private static String digest(char fill) {
        return "sha256-" + String.valueOf(fill).repeat(64);
    }
}
