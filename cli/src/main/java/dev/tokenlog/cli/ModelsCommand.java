package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.client.ModelEntry;
import dev.tokenlog.client.TokenlogClient;
import dev.tokenlog.contracts.ModelServing;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

@Command(
        name = "models",
        description =
                "What the topics know about models: digest, family, code, size, verdict, state.",
        subcommands = {
            ModelsPromoteCommand.class,
            ModelsRollbackCommand.class,
            ModelsUnpublishCommand.class,
            ModelsRevokeCommand.class
        })
final class ModelsCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private ConnectionOptions connection;

    @Override
    public Integer call() {
        try (TokenlogClient client = connection.connect()) {
            List<ModelEntry> models = client.models();
            if (output.json) {
                ArrayNode list = Json.object().putArray("models");
                models.forEach(model -> list.add(tree(model)));
                common.terminal().line(Json.text(Json.object().set("models", list)));
            } else if (models.isEmpty()) {
                common.terminal().err("no model yet: 'tokenlog convert demo' makes one");
            } else {
                table(models).print(common.terminal());
            }
            return ExitStatus.DONE;
        }
    }

    static ObjectNode tree(ModelEntry model) {
        ObjectNode node = Json.object().put("model_id", model.modelId());
        model.manifest().ifPresent(manifest -> node.set("manifest", Json.of(manifest)));
        model.serving().ifPresent(serving -> node.set("serving", Json.of(serving)));
        return node;
    }

    private static Table table(List<ModelEntry> models) {
        Table table =
                new Table(
                        "model",
                        "state",
                        "verdict",
                        "digest",
                        "family",
                        "code",
                        "bits/weight",
                        "MB");
        for (ModelEntry model : models) {
            if (model.serving().isPresent()) {
                for (ModelServing.Version version : model.serving().get().versions()) {
                    table.row(
                            model.modelId(),
                            version.state().name(),
                            version.verdict() == null ? "-" : version.verdict().name(),
                            EventSummary.brief(version.modelDigest()),
                            String.valueOf(version.family()),
                            String.valueOf(version.quantization()),
                            "%.2f".formatted(version.bitsPerWeight()),
                            "%.1f".formatted(version.bytes() / 1e6));
                }
            } else {
                model.manifest()
                        .ifPresent(manifest ->
                                table.row(
                                        model.modelId(),
                                        "-",
                                        "-",
                                        EventSummary.brief(manifest.modelDigest()),
                                        manifest.family(),
                                        manifest.quantization(),
                                        "%.2f".formatted(manifest.bitsPerWeight()),
                                        "%.1f".formatted(manifest.bytes() / 1e6)));
            }
        }
        return table;
    }
}
