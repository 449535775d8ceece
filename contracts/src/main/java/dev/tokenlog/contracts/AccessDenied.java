package dev.tokenlog.contracts;

import java.util.Locale;
import java.util.stream.Collectors;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.GroupAuthorizationException;
import org.apache.kafka.common.errors.TopicAuthorizationException;
import org.apache.kafka.common.errors.TransactionalIdAuthorizationException;
import org.apache.kafka.common.resource.ResourceType;

/// What a cluster did not allow, or what went wrong, in words: its own refusals often name neither
/// the resource nor the operation.
public final class AccessDenied {

    private AccessDenied() {}

    /// For instance `Read on topic acme.prompts`, as `kafka-acls.sh` names operations.
    public static String right(AclOperation operation, ResourceType resource, String name) {
        return "%s on %s %s"
                .formatted(
                        operationName(operation),
                        resource.name().toLowerCase(Locale.ROOT).replace('_', ' '),
                        name);
    }

    /// @param asked what was asked for when the refusal came
    /// @param where what it was asked of, if the refusal names nothing itself
    public static String message(AuthorizationException refusal, AclOperation asked, String where) {
        String rights =
                switch (refusal) {
                    case TopicAuthorizationException topics
                            when !topics.unauthorizedTopics().isEmpty() ->
                            topics.unauthorizedTopics().stream()
                                    .sorted()
                                    .map(name -> right(asked, ResourceType.TOPIC, name))
                                    .collect(Collectors.joining(", "));
                    case GroupAuthorizationException group when group.groupId() != null ->
                            right(asked, ResourceType.GROUP, group.groupId());
                    case TransactionalIdAuthorizationException _ ->
                            right(asked, ResourceType.TRANSACTIONAL_ID, where);
                    default -> operationName(asked) + " on " + where;
                };
        return rights + " is not allowed (" + refusal.getMessage() + ")";
    }

    /// Why the cluster does not let somebody in.
    public static String message(AuthenticationException refusal) {
        return "the cluster does not let this client in: " + chain(refusal);
    }

    /// What went wrong and because of what, down to the first cause: with TLS it is the last one
    /// that names the file.
    public static String chain(Throwable e) {
        StringBuilder text = new StringBuilder();
        String before = "";
        for (Throwable cause = e; cause != null; cause = cause.getCause()) {
            String message =
                    cause.getMessage() == null
                            ? cause.getClass().getSimpleName()
                            : cause.getMessage();
            if (!before.contains(message)) {
                text.append(text.isEmpty() ? "" : ": ").append(message);
                before = message;
            }
        }
        return text.toString();
    }

    static String operationName(AclOperation operation) {
        StringBuilder text = new StringBuilder();
        for (String word : operation.name().split("_")) {
            text.append(word.charAt(0)).append(word.substring(1).toLowerCase(Locale.ROOT));
        }
        return text.toString();
    }
}
