package dev.tokenlog.client;

import dev.tokenlog.client.TokenlogException.Kind;
import dev.tokenlog.contracts.AccessDenied;
import dev.tokenlog.contracts.ErrorCode;
import dev.tokenlog.contracts.TopicException;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

/// Turns what the Kafka clients throw into what this client says.
final class Failures {

    /// What the cluster has to allow for something.
    ///
    /// @param where for instance `topic prompts`
    record Asked(AclOperation operation, String where) {}

    private Failures() {}

    static TokenlogException of(String doing, Asked asked, Throwable cause) {
        return switch (cause) {
            // A producer that was refused once refuses everything after it, because of that.
            case KafkaException after
                    when after.getClass() == KafkaException.class
                            && after.getCause() instanceof ApiException first ->
                    of(doing, asked, first);
            case TokenlogException already -> already;
            case RecordTooLargeException large ->
                    TokenlogException.refused(ErrorCode.TOO_LARGE, large.getMessage());
            case AuthenticationException denied ->
                    new TokenlogException(
                            Kind.NOT_ALLOWED, doing + ": " + AccessDenied.message(denied), denied);
            case AuthorizationException denied ->
                    new TokenlogException(
                            Kind.NOT_ALLOWED,
                            doing
                                    + ": "
                                    + AccessDenied.message(
                                            denied, asked.operation(), asked.where()),
                            denied);
            case UnknownTopicOrPartitionException missing ->
                    new TokenlogException(
                            Kind.TOPICS,
                            doing + ": a topic is missing; `tokenlog topics` creates it",
                            missing);
            case org.apache.kafka.common.errors.TimeoutException late ->
                    new TokenlogException(Kind.UNREACHABLE, doing + ": " + why(late), late);
            case TimeoutException late ->
                    new TokenlogException(
                            Kind.UNREACHABLE, doing + ": no answer from the Kafka cluster", late);
            case ConfigException wrong ->
                    new TokenlogException(Kind.UNREACHABLE, doing + ": " + why(wrong), wrong);
            case TopicException topics ->
                    new TokenlogException(
                            switch (topics.kind()) {
                                case UNREACHABLE -> Kind.UNREACHABLE;
                                case WRONG_TOPICS -> Kind.TOPICS;
                                case NOT_ALLOWED -> Kind.NOT_ALLOWED;
                                case REFUSED -> Kind.FAILED;
                            },
                            topics.getMessage(),
                            topics);
            default -> new TokenlogException(Kind.FAILED, doing + ": " + why(cause), cause);
        };
    }

    /// Waits for an answer of the cluster.
    static <T> T await(String doing, Asked asked, Future<T> future, Duration timeout) {
        try {
            return future.get(timeout.toMillis(), TimeUnit.MILLISECONDS);
        } catch (ExecutionException e) {
            throw of(doing, asked, e.getCause());
        } catch (TimeoutException e) {
            throw of(doing, asked, e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TokenlogException(Kind.CLOSED, doing + ": interrupted", e);
        }
    }

    private static String why(Throwable e) {
        return AccessDenied.chain(e);
    }
}
