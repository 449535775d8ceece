package dev.tokenlog.client;

/// What a stream reads from, until it is closed.
interface Source extends AutoCloseable {

    @Override
    void close();
}
