package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.artifactstore.hub.HubTransport.Answer;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.io.IOException;
import java.time.DateTimeException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Optional;

/// What a status that is no success means, and what can be done about it.
final class HubErrors {

    private final HubSettings settings;
    private final HubTransport transport;
    private final HubId id;

    HubErrors(HubSettings settings, HubTransport transport, HubId id) {
        this.settings = settings;
        this.transport = transport;
        this.id = id;
    }

    /// @param file that was asked for, or null
    /// @return what to throw, if another attempt may help
    /// @throws EngineException if none would
    IOException of(Answer answer, String file) {
        int status = answer.status();
        if (status == 429 || status >= 500 || status == 408) {
            return comeAgain(answer);
        }
        if (!transport.isHub(answer.uri())) {
            // A signed link that has run out, say: the hub makes a new one.
            return new IOException(answer.uri().getHost() + " answers " + status);
        }
        throw refusal(answer, file);
    }

    private IOException comeAgain(Answer answer) {
        String message = answer.uri().getHost() + " answers " + answer.status();
        return retryAfter(answer.header("Retry-After"), Instant.now())
                .<IOException>map(pause -> new Retries.ComeAgainException(message, pause))
                .orElseGet(() -> new IOException(message));
    }

    /// Seconds, or a date.
    static Optional<Duration> retryAfter(String header, Instant now) {
        if (header == null) {
            return Optional.empty();
        }
        String text = header.strip();
        if (text.matches("[0-9]{1,9}")) {
            return Optional.of(Duration.ofSeconds(Long.parseLong(text)));
        }
        try {
            Instant then =
                    ZonedDateTime.parse(text, DateTimeFormatter.RFC_1123_DATE_TIME).toInstant();
            return Optional.of(then.isBefore(now) ? Duration.ZERO : Duration.between(now, then));
        } catch (DateTimeException e) {
            // Not understood: our own pauses will do.
            return Optional.empty();
        }
    }

    private EngineException refusal(Answer answer, String file) {
        String code = answer.header("X-Error-Code") == null ? "" : answer.header("X-Error-Code");
        return switch (code) {
            case "GatedRepo" -> gated();
            case "RevisionNotFound" ->
                    refused(
                            Reason.SOURCE_NOT_FOUND,
                            "there is no revision '" + id.revision() + "'",
                            answer);
            case "EntryNotFound" ->
                    refused(Reason.SOURCE_NOT_FOUND, "there is no file '" + file + "'", answer);
            case "RepoNotFound" -> repositoryNotFound(answer);
            default -> byStatus(answer, file);
        };
    }

    private EngineException byStatus(Answer answer, String file) {
        return switch (answer.status()) {
            case 401 -> settings.token().isEmpty() ? repositoryNotFound(answer) : badToken(answer);
            case 403 ->
                    refused(
                            Reason.SOURCE_FORBIDDEN,
                            "access is refused"
                                    + settings.token()
                                            .map(t -> " to the " + t)
                                            .orElse(" without a token")
                                    + "; if the model is gated, accept its licence at "
                                    + settings.page(id.repository()),
                            answer);
            case 404 -> file == null ? repositoryNotFound(answer) : fileNotFound(answer, file);
            default ->
                    refused(
                            Reason.SOURCE_UNAVAILABLE,
                            "the hub answers "
                                    + answer.status()
                                    + (file == null ? "" : " for " + file),
                            answer);
        };
    }

    private EngineException fileNotFound(Answer answer, String file) {
        return refused(Reason.SOURCE_NOT_FOUND, "there is no file '" + file + "'", answer);
    }

    /// The hub says the same of what is private.
    private EngineException repositoryNotFound(Answer answer) {
        return refused(
                Reason.SOURCE_NOT_FOUND,
                "the hub knows no such model"
                        + settings.token()
                                .map(token -> ", or the " + token + " may not see it")
                                .orElse(", or it is private: then set HF_TOKEN"),
                answer);
    }

    private EngineException badToken(Answer answer) {
        return refused(
                Reason.SOURCE_FORBIDDEN,
                "the hub does not accept the %s: make a new one at %s/settings/tokens"
                        .formatted(settings.token().orElseThrow(), settings.endpoint()),
                answer);
    }

    private EngineException gated() {
        String page = settings.page(id.repository());
        return new EngineException(
                Reason.SOURCE_FORBIDDEN,
                settings.token().isEmpty()
                        ? "%s: the model is gated: accept its licence at %s, then set HF_TOKEN to a token of your account"
                                .formatted(id, page)
                        : "%s: the model is gated, and the account of the %s has no access: accept its licence at %s"
                                .formatted(id, settings.token().get(), page));
    }

    private EngineException refused(Reason reason, String what, Answer answer) {
        String said = answer.header("X-Error-Message");
        return new EngineException(
                reason,
                "%s: %s%s"
                        .formatted(
                                id, what, said == null ? "" : " (the hub: " + quoted(said) + ")"));
    }

    /// Words of somebody else: short, on one line, and without our token.
    private String quoted(String said) {
        String line = said.replaceAll("[\\p{Cntrl}\\s]+", " ").strip();
        String clean = settings.token().map(token -> token.redact(line)).orElse(line);
        return clean.length() > 200 ? clean.substring(0, 200) + "..." : clean;
    }
}
