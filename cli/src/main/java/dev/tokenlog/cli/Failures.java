package dev.tokenlog.cli;

import dev.tokenlog.client.TokenlogException;
import dev.tokenlog.contracts.TopicException;
import dev.tokenlog.engine.EngineException;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.NoSuchFileException;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.IExecutionExceptionHandler;
import picocli.CommandLine.ParseResult;

/// Turns what went wrong into one line on standard error and an exit status. A stack trace is for a
/// defect of ours, and only where it is asked for (`TOKENLOG_TRACE=1`).
final class Failures implements IExecutionExceptionHandler {

    private final Terminal terminal;

    Failures(Terminal terminal) {
        this.terminal = terminal;
    }

    @Override
    public int handleExecutionException(
            Exception problem, CommandLine command, ParseResult arguments) {
        if (System.getenv("TOKENLOG_TRACE") != null) {
            StringWriter trace = new StringWriter();
            problem.printStackTrace(new PrintWriter(trace, true));
            terminal.err(trace.toString());
        }
        CommandFailure failure = translate(problem);
        terminal.err("tokenlog: " + Terminal.oneLine(failure.getMessage()));
        return failure.status();
    }

    static CommandFailure translate(Exception problem) {
        return switch (problem) {
            case CommandFailure failure -> failure;
            case TokenlogException e -> new CommandFailure(status(e), message(e), e);
            case TopicException e -> new CommandFailure(status(e), message(e), e);
            case EngineException e ->
                    new CommandFailure(status(e), e.reason() + ": " + e.getMessage(), e);
            case NoSuchFileException e ->
                    new CommandFailure(ExitStatus.NO, "no such file: " + e.getMessage(), e);
            case IOException e ->
                    new CommandFailure(
                            ExitStatus.ENVIRONMENT, "%s: %s".formatted(kind(e), e.getMessage()), e);
            default ->
                    memory(problem)
                            .map(Failures::outOfMemory)
                            .orElseGet(() ->
                                    new CommandFailure(
                                            ExitStatus.NO,
                                            "a defect of Tokenlog: %s (TOKENLOG_TRACE=1 shows where)"
                                                    .formatted(problem),
                                            problem));
        };
    }

    /// What a thread beside the command's ran into.
    private static Optional<OutOfMemoryError> memory(Throwable problem) {
        for (Throwable cause = problem; cause != null; cause = cause.getCause()) {
            if (cause instanceof OutOfMemoryError memory) {
                return Optional.of(memory);
            }
        }
        return Optional.empty();
    }

    static CommandFailure outOfMemory(OutOfMemoryError problem) {
        long gibibytes = 2 * Math.ceilDiv(Runtime.getRuntime().maxMemory(), 1L << 30);
        return new CommandFailure(
                ExitStatus.ENVIRONMENT,
                "out of memory: %s (JAVA_TOOL_OPTIONS=-Xmx%dg gives Java twice as much)"
                        .formatted(problem.getMessage(), gibibytes));
    }

    private static int status(TokenlogException e) {
        return switch (e.kind()) {
            case UNREACHABLE, TOPICS, NOT_ALLOWED, FAILED -> ExitStatus.ENVIRONMENT;
            case TIMEOUT, NOT_FOUND, LOG_GAP, REFUSED -> ExitStatus.NO;
            case CLOSED -> ExitStatus.INTERRUPTED;
        };
    }

    private static String message(TokenlogException e) {
        return switch (e.kind()) {
            case UNREACHABLE ->
                    e.getMessage()
                            + "; start a platform with 'tokenlog up', or name one with --bootstrap";
            case TOPICS -> e.getMessage() + "; 'tokenlog topics' creates and checks them";
            case NOT_ALLOWED, FAILED, TIMEOUT, NOT_FOUND, LOG_GAP, REFUSED, CLOSED ->
                    e.getMessage();
        };
    }

    private static int status(TopicException e) {
        return switch (e.kind()) {
            case UNREACHABLE, NOT_ALLOWED, REFUSED -> ExitStatus.ENVIRONMENT;
            case WRONG_TOPICS -> ExitStatus.NO;
        };
    }

    private static String message(TopicException e) {
        return switch (e.kind()) {
            case UNREACHABLE ->
                    e.getMessage()
                            + "; start a platform with 'tokenlog up', or name one with --bootstrap";
            case NOT_ALLOWED, REFUSED, WRONG_TOPICS -> e.getMessage();
        };
    }

    private static int status(EngineException e) {
        return switch (e.reason()) {
            case STORAGE_FAILED, SOURCE_UNAVAILABLE -> ExitStatus.ENVIRONMENT;
            case PARAMETER_OUT_OF_RANGE -> ExitStatus.USAGE;
            case SOURCE_NOT_FOUND,
                    SOURCE_FORBIDDEN,
                    SOURCE_UNREADABLE,
                    UNSUPPORTED,
                    MODEL_UNREADABLE,
                    SIGNATURE_REFUSED,
                    CONTEXT_TOO_LONG,
                    TEMPLATE_REFUSED,
                    NON_FINITE ->
                    ExitStatus.NO;
        };
    }

    private static String kind(IOException e) {
        return e.getClass().getSimpleName().replace("Exception", "");
    }
}
