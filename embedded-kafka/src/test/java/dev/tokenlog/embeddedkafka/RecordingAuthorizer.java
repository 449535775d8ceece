package dev.tokenlog.embeddedkafka;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.metadata.authorizer.StandardAuthorizer;
import org.apache.kafka.server.authorizer.Action;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.authorizer.AuthorizationResult;

/// Kafka's own authorizer, which remembers what was asked of it. For a broker in this JVM
/// (`authorizer.class.name`); what it remembers is of all brokers here.
public final class RecordingAuthorizer extends StandardAuthorizer {

    /// @param user without `User:`
    public record Decision(
            String user,
            AclOperation operation,
            ResourceType resource,
            String name,
            boolean allowed) {}

    private static final Queue<Decision> DECISIONS = new ConcurrentLinkedQueue<>();

    @Override
    public List<AuthorizationResult> authorize(
            AuthorizableRequestContext context, List<Action> actions) {
        List<AuthorizationResult> results = super.authorize(context, actions);
        for (int i = 0; i < actions.size(); i++) {
            Action action = actions.get(i);
            boolean allowed = results.get(i) == AuthorizationResult.ALLOWED;
            // The others are questions about what would be allowed, and lists of what is seen.
            if (allowed ? action.logIfAllowed() : action.logIfDenied()) {
                DECISIONS.add(
                        new Decision(
                                context.principal().getName(),
                                action.operation(),
                                action.resourcePattern().resourceType(),
                                action.resourcePattern().name(),
                                allowed));
            }
        }
        return results;
    }

    public static List<Decision> decisions() {
        return new ArrayList<>(DECISIONS);
    }
}
