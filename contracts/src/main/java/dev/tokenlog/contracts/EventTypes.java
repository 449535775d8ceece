package dev.tokenlog.contracts;

import java.util.ArrayList;
import java.util.List;

/// The record types under a topic's sealed interface, in the order of their declaration.
final class EventTypes {

    private EventTypes() {}

    static List<Class<? extends Event>> of(Class<?> payload) {
        List<Class<? extends Event>> types = new ArrayList<>();
        collect(payload, types);
        return List.copyOf(types);
    }

    private static void collect(Class<?> type, List<Class<? extends Event>> types) {
        if (type.isRecord()) {
            Class<? extends Event> record = type.asSubclass(Event.class);
            if (!types.contains(record)) {
                types.add(record);
            }
        } else if (type.isSealed()) {
            for (Class<?> subtype : type.getPermittedSubclasses()) {
                collect(subtype, types);
            }
        }
    }
}
