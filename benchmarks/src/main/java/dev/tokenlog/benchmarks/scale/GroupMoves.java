package dev.tokenlog.benchmarks.scale;

import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.GroupAssignment;
import org.apache.kafka.coordinator.group.api.assignor.SubscribedTopicDescriber;
import org.apache.kafka.coordinator.group.api.assignor.SubscriptionType;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.GroupSpecImpl;
import org.apache.kafka.coordinator.group.modern.MemberSubscriptionAndAssignmentImpl;

/// What the broker's own assignor makes of a group of this size, and how long it takes: it runs on
/// the group coordinator, in one thread, at every change of membership.
final class GroupMoves {

    private static final Uuid TOPIC = new Uuid(1, 2);

    /// @param millis of the last computation
    /// @param moved partitions that changed hands
    /// @param toOne most of them that one worker gets
    record Move(double millis, int moved, int toOne) {}

    private final int partitions;
    private Map<String, Set<Integer>> assigned = new HashMap<>();

    GroupMoves(int partitions, int workers) {
        this.partitions = partitions;
        for (int i = 0; i < workers; i++) {
            assigned.put("worker-" + i, Set.of());
        }
        for (int i = 0; i < 5; i++) {
            assign(); // the first for the assignment, the rest for the compiler
        }
    }

    Move leave(int count) {
        for (int i = 0; i < count; i++) {
            assigned.remove("worker-" + i);
        }
        return assign();
    }

    Move join(int count) {
        for (int i = 0; i < count; i++) {
            assigned.put("worker-" + i, Set.of());
        }
        return assign();
    }

    private Move assign() {
        Map<String, MemberSubscriptionAndAssignmentImpl> members = new HashMap<>();
        Map<Integer, String> owners = new HashMap<>();
        assigned.forEach((member, owned) -> {
            members.put(
                    member,
                    new MemberSubscriptionAndAssignmentImpl(
                            Optional.empty(),
                            Optional.empty(),
                            Set.of(TOPIC),
                            new Assignment(owned.isEmpty() ? Map.of() : Map.of(TOPIC, owned))));
            owned.forEach(partition -> owners.put(partition, member));
        });
        long begin = System.nanoTime();
        GroupAssignment result =
                new UniformAssignor()
                        .assign(
                                new GroupSpecImpl(
                                        members,
                                        SubscriptionType.HOMOGENEOUS,
                                        Map.of(TOPIC, owners)),
                                new OneTopic());
        double millis = (System.nanoTime() - begin) / 1e6;
        Map<String, Set<Integer>> next = new HashMap<>();
        int moved = 0;
        int toOne = 0;
        for (var member : result.members().entrySet()) {
            Set<Integer> now =
                    new HashSet<>(member.getValue().partitions().getOrDefault(TOPIC, Set.of()));
            Set<Integer> fresh = new HashSet<>(now);
            fresh.removeAll(assigned.getOrDefault(member.getKey(), Set.of()));
            moved += fresh.size();
            toOne = Math.max(toOne, fresh.size());
            next.put(member.getKey(), now);
        }
        assigned = next;
        return new Move(millis, moved, toOne);
    }

    private final class OneTopic implements SubscribedTopicDescriber {
        @Override
        public int numPartitions(Uuid topic) {
            return partitions;
        }

        @Override
        public Set<String> racksForPartition(Uuid topic, int partition) {
            return Set.of();
        }
    }
}
