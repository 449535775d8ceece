package dev.tokenlog.artifactstore.hub;

import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.util.regex.Pattern;

/// An access token. It is sent to the hub's own host and nowhere else; no text of ours ever holds
/// it: this class prints where it came from.
public final class HubToken {

    private static final Pattern FORM = Pattern.compile("[\\x21-\\x7e]{1,4096}");

    private final String value;
    private final String origin;

    private HubToken(String value, String origin) {
        this.value = value;
        this.origin = origin;
    }

    /// @param origin the variable or file that it was found in
    /// @throws EngineException `PARAMETER_OUT_OF_RANGE` naming the origin, if it cannot be a token
    static HubToken of(String text, String origin) {
        String value = text.strip();
        if (!FORM.matcher(value).matches()) {
            throw new EngineException(
                    Reason.PARAMETER_OUT_OF_RANGE,
                    origin
                            + ": what it holds is no token: expected one line of visible characters");
        }
        return new HubToken(value, origin);
    }

    /// Where it was found, for people.
    public String origin() {
        return origin;
    }

    /// The value of the header `Authorization`.
    String authorization() {
        return "Bearer " + value;
    }

    /// The same text without the token, in case somebody else has put it there.
    String redact(String text) {
        return text.replace(value, "***");
    }

    @Override
    public String toString() {
        return "token of " + origin;
    }
}
