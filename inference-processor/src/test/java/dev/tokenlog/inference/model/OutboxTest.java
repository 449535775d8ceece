package dev.tokenlog.inference.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OutboxTest {

    @Test
    void aStepIsOneTaskInOrder() {
        List<Runnable> executed = new ArrayList<>();
        List<String> told = new ArrayList<>();
        Outbox outbox = new Outbox(executed::add);
        outbox.flush();
        outbox.add(() -> told.add("a0"));
        outbox.add(() -> told.add("b0"));
        assertThat(executed).isEmpty();
        outbox.flush();
        outbox.flush();
        outbox.add(() -> told.add("a1"));
        outbox.flush();
        assertThat(executed).hasSize(2);
        executed.forEach(Runnable::run);
        assertThat(told).containsExactly("a0", "b0", "a1");
    }
}
