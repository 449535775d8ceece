package dev.tokenlog.inference.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/// Held against what the operating system says.
class ModelMemoryTest {

    private static final Path MEMORY = Path.of("/proc/meminfo");

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
