package dev.tokenlog.inference.model;

import jdk.jfr.Category;
import jdk.jfr.Enabled;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// An event of Java's flight recorder at the moment when the engine has made a token, so that the
/// way of a token to its readers can be measured from its very beginning. Off unless asked for:
/// `-XX:StartFlightRecording=settings=none,+dev.tokenlog.TokenMade#enabled=true,filename=FILE`.
@Name(TokenMade.NAME)
@Label("Token made")
@Category("Tokenlog")
@StackTrace(false)
@Enabled(false)
final class TokenMade extends Event {

    static final String NAME = "dev.tokenlog.TokenMade";

    @Label("Generation")
    String generationId;

    /// Counted from 0.
    @Label("Index")
    int index;

    static void tell(String generationId, int index) {
        TokenMade made = new TokenMade();
        if (made.shouldCommit()) {
            made.generationId = generationId;
            made.index = index;
            made.commit();
        }
    }
}
