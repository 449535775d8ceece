package dev.tokenlog.engine;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class ProcessMemoryTest {

    @Test
    void readsThePeakOfProcStatus() {
        String status = "Name:\tjava\nVmPeak:\t 9000000 kB\nVmHWM:\t  229244 kB\nVmRSS:\t 100 kB\n";
        assertThat(ProcessMemory.peak(status)).hasValue(229_244L * 1024);
        assertThat(ProcessMemory.peak("Name:\tjava\n")).isEmpty();
    }
}
