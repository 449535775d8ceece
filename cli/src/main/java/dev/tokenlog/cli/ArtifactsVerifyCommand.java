package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.artifact.ArtifactStore;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

@Command(
        name = "verify",
        description =
                "Reads every byte of artifacts and compares it with the digests: exit status 1 if one differs,"
                        + " with the name of its tensor or file.")
final class ArtifactsVerifyCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private StoreOptions options;

    @Parameters(
            paramLabel = "DIGEST",
            arity = "0..*",
            description = "Model digests, sha256-... (default: all artifacts).")
    private List<String> digests = List.of();

    @Override
    public Integer call() {
        ArtifactStore store = options.open();
        List<String> wanted = digests.isEmpty() ? store.list() : digests;
        ArrayNode answers = Json.object().putArray("artifacts");
        int status = ExitStatus.DONE;
        for (String digest : wanted) {
            String problem = problem(store, digest);
            ObjectNode answer = answers.addObject().put("digest", digest);
            answer.put("whole", problem == null);
            if (problem != null) {
                answer.put("problem", problem);
                status = ExitStatus.NO;
            }
            if (!output.json) {
                common.terminal()
                        .line(digest + "  " + (problem == null ? "whole" : "BROKEN  " + problem));
            }
        }
        if (output.json) {
            common.terminal().line(Json.text(Json.object().set("artifacts", answers)));
        } else if (wanted.isEmpty()) {
            common.terminal().err("no artifact in " + store.root());
        }
        return status;
    }

    private static String problem(ArtifactStore store, String digest) {
        try {
            store.open(digest, true).close();
            return null;
        } catch (EngineException e) {
            return e.getMessage();
        }
    }
}
