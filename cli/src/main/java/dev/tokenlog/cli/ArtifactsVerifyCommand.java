package dev.tokenlog.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.artifactstore.provenance.ProvenanceFile;
import dev.tokenlog.artifactstore.provenance.TrustedKey;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.artifact.Artifact;
import dev.tokenlog.engine.artifact.ArtifactStore;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
        name = "verify",
        description =
                "Reads every byte of artifacts and compares it with the digests: exit status 1 if one differs,"
                        + " with the name of its tensor or file. With --trusted-keys signatures are checked as"
                        + " well.")
final class ArtifactsVerifyCommand implements Callable<Integer> {

    @Mixin private CommonOptions common;
    @Mixin private OutputOptions output;
    @Mixin private StoreOptions options;

    @Parameters(
            paramLabel = "DIGEST",
            arity = "0..*",
            description = "Model digests, sha256-... (default: all artifacts).")
    private List<String> digests = List.of();

    @Option(
            names = "--trusted-keys",
            paramLabel = "FILE",
            split = ",",
            description =
                    "Public keys (PEM): an artifact that none of them has signed is refused, too.")
    private List<Path> trusted = List.of();

    @Override
    public Integer call() {
        ArtifactStore store = options.open();
        List<TrustedKey> keys = TrustedKey.read(trusted);
        List<String> wanted = digests.isEmpty() ? store.list() : digests;
        ArrayNode answers = Json.object().putArray("artifacts");
        int status = ExitStatus.DONE;
        for (String digest : wanted) {
            Found found = check(store, digest, keys);
            String problem = found.problem();
            ObjectNode answer = answers.addObject().put("digest", digest);
            answer.put("whole", problem == null);
            if (found.signer() != null) {
                answer.put("signed_by", found.signer());
            }
            if (problem != null) {
                answer.put("problem", problem);
                status = ExitStatus.NO;
            }
            if (!output.json) {
                common.terminal().line(digest + "  " + said(found));
            }
        }
        if (output.json) {
            common.terminal().line(Json.text(Json.object().set("artifacts", answers)));
        } else if (wanted.isEmpty()) {
            common.terminal().err("no artifact in " + store.root());
        }
        return status;
    }

    /// @param problem null where nothing is wrong
    /// @param signer id of the trusted key; null where signatures were not asked for
    private record Found(String problem, String signer) {}

    private static Found check(ArtifactStore store, String digest, List<TrustedKey> keys) {
        try (Artifact artifact = store.open(digest, true)) {
            return keys.isEmpty()
                    ? new Found(null, null)
                    : new Found(null, ProvenanceFile.require(artifact, keys).id());
        } catch (EngineException e) {
            return new Found(e.getMessage(), null);
        }
    }

    private static String said(Found found) {
        if (found.problem() != null) {
            return "BROKEN  " + found.problem();
        }
        return found.signer() == null ? "whole" : "whole, signed by " + found.signer();
    }
}
