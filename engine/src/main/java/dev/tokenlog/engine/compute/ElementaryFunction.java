package dev.tokenlog.engine.compute;

/// The functions that the numerics define by a polynomial of their own.
public enum ElementaryFunction {
    EXP,
    SIGMOID,
    TANH,
    GELU_TANH
}
