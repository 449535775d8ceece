package dev.tokenlog.engine.tokenizer.jinja;

import java.util.List;

/// A template cut at its tags; comments are gone and white space is controlled.
sealed interface Piece {

    int line();

    record Text(int line, String text) implements Piece {}

    /// `{{ … }}`, closed by an [Token.Kind#END].
    record Output(int line, List<Token> tokens) implements Piece {}

    /// `{% … %}`, closed by an [Token.Kind#END].
    record Tag(int line, List<Token> tokens) implements Piece {}
}
