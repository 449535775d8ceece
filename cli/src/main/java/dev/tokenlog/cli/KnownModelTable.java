package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.known.KnownModel;
import dev.tokenlog.artifactstore.known.KnownModels;

/// The models that have a short name, with what their configurations say of them.
final class KnownModelTable {

    private static final int[] BITS = {1, 2, 4, 8};

    private KnownModelTable() {}

    static void print(Terminal terminal, boolean json) {
        if (json) {
            terminal.line(Json.text(document()));
            return;
        }
        Table table =
                new Table(
                        "name",
                        "family",
                        "context",
                        "parameters",
                        head(1),
                        head(2),
                        head(4),
                        head(8),
                        "model of the hub");
        for (KnownModel model : KnownModels.all()) {
            table.row(
                    model.name(),
                    model.family(),
                    "%,d".formatted(model.contextLength()),
                    "%,d".formatted(model.parameters()),
                    gigabytes(bytes(model, 1)),
                    gigabytes(bytes(model, 2)),
                    gigabytes(bytes(model, 4)),
                    gigabytes(bytes(model, 8)),
                    model.hub().repository()
                            + (model.gated() ? " (gated: accept its licence)" : ""));
        }
        table.print(terminal);
        terminal.line("");
        terminal.line(
                "Sizes in GB of weights with their scales: groups of 32; embedding and head at 8 bit.");
    }

    private static ObjectNode document() {
        ArrayNode models = Json.object().putArray("models");
        for (KnownModel model : KnownModels.all()) {
            ObjectNode node = models.addObject().put("name", model.name());
            node.put("repository", model.hub().repository()).put("gated", model.gated());
            node.put("family", model.family()).put("context_length", model.contextLength());
            node.put("parameters", model.parameters());
            ArrayNode sizes = node.putArray("sizes");
            for (int bits : BITS) {
                sizes.addObject().put("bits", bits).put("bytes", bytes(model, bits));
            }
        }
        return (ObjectNode) Json.object().set("models", models);
    }

    private static String head(int bits) {
        return bits + " bit";
    }

    private static long bytes(KnownModel model, int bits) {
        KnownModel.Sizes sizes = model.sizes();
        return switch (bits) {
            case 1 -> sizes.bits1();
            case 2 -> sizes.bits2();
            case 4 -> sizes.bits4();
            case 8 -> sizes.bits8();
            default -> throw new IllegalArgumentException(bits + " bits");
        };
    }

    private static String gigabytes(long bytes) {
        return "%.2f".formatted(bytes / 1e9);
    }
}
