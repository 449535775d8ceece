package dev.tokenlog.contracts;

/// A number that its field cannot hold, though it has the right shape.
final class NumberOutOfRangeException extends IllegalArgumentException {

    private static final long serialVersionUID = 1L;

    NumberOutOfRangeException(String message) {
        super(message);
    }
}
