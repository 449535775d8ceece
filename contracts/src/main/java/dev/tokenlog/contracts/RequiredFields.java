package dev.tokenlog.contracts;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.util.List;
import java.util.Optional;

/// Finds required fields that are missing, in an event and in the records and lists inside it.
final class RequiredFields {

    private static final ClassValue<RecordComponent[]> COMPONENTS =
            new ClassValue<>() {
                @Override
                protected RecordComponent[] computeValue(Class<?> type) {
                    return type.getRecordComponents();
                }
            };

    private static final PropertyNamingStrategies.SnakeCaseStrategy NAMES =
            new PropertyNamingStrategies.SnakeCaseStrategy();

    private RequiredFields() {}

    /// The path of the first required field that is missing, in the names of the JSON.
    static Optional<String> firstMissing(Record event) {
        for (RecordComponent component : COMPONENTS.get(event.getClass())) {
            if (component.getType().isPrimitive()) {
                continue;
            }
            Object value = valueOf(component, event);
            String name = NAMES.translate(component.getName());
            if (value == null && component.isAnnotationPresent(Required.class)) {
                return Optional.of(name);
            }
            Optional<String> inside = inside(value);
            if (inside.isPresent()) {
                return Optional.of(name + inside.get());
            }
        }
        return Optional.empty();
    }

    private static Optional<String> inside(Object value) {
        if (value instanceof Record nested) {
            return firstMissing(nested).map(name -> "." + name);
        }
        if (value instanceof List<?> list) {
            for (int i = 0; i < list.size(); i++) {
                String position = "[" + i + "]";
                Object element = list.get(i);
                Optional<String> missing = element == null ? Optional.of("") : inside(element);
                if (missing.isPresent()) {
                    return Optional.of(position + missing.get());
                }
            }
        }
        return Optional.empty();
    }

    private static Object valueOf(RecordComponent component, Record record) {
        try {
            return component.getAccessor().invoke(record);
        } catch (IllegalAccessException | InvocationTargetException e) {
            throw new IllegalStateException(
                    "accessor of " + component + " is public and does not throw", e);
        }
    }
}
