package dev.tokenlog.inference.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/// Held against what the operating system says.
class ModelMemoryTest {

    private static final Path MEMORY = Path.of("/proc/meminfo");

    @Test
    void whatIsConfiguredCountsIfItCanBe() {
        assertThat(ModelMemory.budget(OptionalLong.of(7))).isEqualTo(7);
        assertThat(ModelMemory.budget(OptionalLong.empty()))
                .isEqualTo(ModelMemory.standardBudget());
        assertThatThrownBy(() -> ModelMemory.budget(OptionalLong.of(0)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokenlog.inference.models.memory-bytes=0: at least 1 is expected");
    }

    @Test
    void theStandardBudgetIsAtMostHalfOfTheMachine() throws Exception {
        assumeTrue(Files.isReadable(MEMORY), "skipped: no " + MEMORY + " here");
        Matcher total = Pattern.compile("MemTotal: +([0-9]+) kB").matcher(Files.readString(MEMORY));
        assertThat(total.find()).isTrue();

        // Less where a control group allows less.
        assertThat(ModelMemory.standardBudget())
                .isPositive()
                .isLessThanOrEqualTo(Long.parseLong(total.group(1)) * 512);
    }
}
