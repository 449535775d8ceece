package dev.tokenlog.artifactstore.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.artifactstore.hub.HubTransport.Answer;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tokenizer.ChatTemplate;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// What the hub says of a repository: `/api/models/{id}/revision/{revision}` for the commit,
/// `/api/models/{id}/tree/{commit}` for the files with sizes and digests.
final class HubApi {

    private static final int MOST_BYTES = 32 << 20;
    private static final int MOST_PAGES = 100;

    /// `<https://…?cursor=…>; rel="next"`
    private static final Pattern NEXT = Pattern.compile("<([^>]+)>\\s*;\\s*rel=\"?next\"?");

    private final HubSettings settings;
    private final HubTransport transport;
    private final BooleanSupplier stop;
    private final Consumer<String> note;

    HubApi(
            HubSettings settings,
            HubTransport transport,
            BooleanSupplier stop,
            Consumer<String> note) {
        this.settings = settings;
        this.transport = transport;
        this.stop = stop;
        this.note = note;
    }

    /// The commit of a revision, and the files there.
    HubListing list(HubId id) {
        String commit = commit(id);
        List<HubFile> files = new ArrayList<>();
        if (list(id, commit, files)) {
            list(id, commit + "/" + ChatTemplate.ADDITIONAL, files);
        }
        return HubListing.of(id, commit, files);
    }

    /// Adds the files of one folder.
    ///
    /// @param place a commit, or `COMMIT/FOLDER`
    /// @return whether there is a folder of further chat templates in it
    private boolean list(HubId id, String place, List<HubFile> files) {
        boolean moreTemplates = false;
        Optional<URI> page =
                Optional.of(
                        URI.create(
                                "%s/api/models/%s/tree/%s"
                                        .formatted(settings.endpoint(), id.repository(), place)));
        for (int pages = 0; page.isPresent(); pages++) {
            if (pages == MOST_PAGES) {
                throw unreadable(id, "a list of files of more than " + MOST_PAGES + " pages");
            }
            Page got = json(id, page.get());
            if (!got.json().isArray()) {
                throw unreadable(id, "expected a list of files");
            }
            for (JsonNode entry : got.json()) {
                file(id, entry).ifPresent(files::add);
                moreTemplates |=
                        entry.path("type").asText("").equals("directory")
                                && entry.path("path").asText("").equals(ChatTemplate.ADDITIONAL);
            }
            page = got.next();
        }
        return moreTemplates;
    }

    private String commit(HubId id) {
        JsonNode model =
                json(
                                id,
                                URI.create(
                                        "%s/api/models/%s/revision/%s"
                                                .formatted(
                                                        settings.endpoint(),
                                                        id.repository(),
                                                        URLEncoder.encode(
                                                                id.revision(),
                                                                StandardCharsets.UTF_8))))
                        .json();
        String commit = model.path("sha").asText("");
        if (!HubId.isCommit(commit)) {
            throw unreadable(id, "expected a commit of 40 hex digits in 'sha'");
        }
        if (id.isPinned() && !id.revision().equals(commit)) {
            throw unreadable(id, "it answers for another commit, " + commit);
        }
        for (JsonNode sibling : model.path("siblings")) {
            requireInside(id, sibling.path("rfilename").asText(""));
        }
        return commit;
    }

    private static Optional<HubFile> file(HubId id, JsonNode entry) {
        String path = entry.path("path").asText("");
        requireInside(id, path);
        if (!entry.path("type").asText("").equals("file")) {
            return Optional.empty();
        }
        JsonNode large = entry.path("lfs");
        JsonNode size = large.has("size") ? large.path("size") : entry.path("size");
        if (!size.isIntegralNumber() || !size.canConvertToLong() || size.asLong() < 0) {
            throw unreadable(id, "'%s' has no size".formatted(path));
        }
        String digest = large.isObject() ? large.path("oid").asText("") : "";
        if (digest.startsWith("sha256:")) {
            digest = digest.substring("sha256:".length());
        }
        boolean known =
                large.isObject()
                        ? HubFile.isSha256(digest)
                        : HubFile.isGitBlob(entry.path("oid").asText(""));
        if (!known) {
            throw unreadable(id, "'%s' has no digest".formatted(path));
        }
        return Optional.of(
                new HubFile(
                        path,
                        size.asLong(),
                        large.isObject() ? digest : entry.path("oid").asText()));
    }

    private static void requireInside(HubId id, String path) {
        if (!HubFile.isInside(path)) {
            String shown = path.length() > 100 ? path.substring(0, 100) + "..." : path;
            throw unreadable(
                    id,
                    "it lists the file '%s', which would lie outside the model's folder"
                            .formatted(shown.replaceAll("\\p{Cntrl}", "?")));
        }
    }

    private record Page(JsonNode json, Optional<URI> next) {}

    private Page json(HubId id, URI uri) {
        HubErrors errors = new HubErrors(settings, transport, id);
        return new Retries(settings.patience(), stop, note)
                .run(
                        id.toString(),
                        () -> {
                            try (Answer answer = transport.get(uri, Map.of(), stop)) {
                                if (answer.status() != 200) {
                                    throw errors.of(answer, null);
                                }
                                byte[] body = answer.body().readNBytes(MOST_BYTES + 1);
                                if (body.length > MOST_BYTES) {
                                    throw unreadable(
                                            id, "an answer of more than " + MOST_BYTES + " bytes");
                                }
                                requireWhole(answer, body.length);
                                return new Page(parse(id, body), next(id, answer));
                            }
                        });
    }

    private static void requireWhole(Answer answer, int got) throws IOException {
        long declared = answer.headers().firstValueAsLong("Content-Length").orElse(got);
        if (declared != got) {
            throw new IOException("the answer ends after %d of %d bytes".formatted(got, declared));
        }
    }

    private static JsonNode parse(HubId id, byte[] body) {
        try {
            return StrictJson.MAPPER.readTree(StrictJson.decode(body, id.toString()));
        } catch (JsonProcessingException e) {
            throw StrictJson.unreadable(id + ": the hub's answer", e);
        }
    }

    private Optional<URI> next(HubId id, Answer answer) {
        for (String link : answer.headers().allValues("Link")) {
            Matcher matcher = NEXT.matcher(link);
            if (matcher.find()) {
                URI next = HubTransport.redirected(answer.uri(), matcher.group(1));
                if (!transport.isHub(next)) {
                    throw unreadable(id, "the list of files goes on at " + next.getHost());
                }
                return Optional.of(next);
            }
        }
        return Optional.empty();
    }

    private static EngineException unreadable(HubId id, String what) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE, id + ": the hub's answer is not usable: " + what);
    }
}
