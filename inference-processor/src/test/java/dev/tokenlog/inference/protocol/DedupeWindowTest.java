package dev.tokenlog.inference.protocol;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DedupeWindowTest {

    private static final long WINDOW = 100;
    private static final GenerationKey FIRST = new GenerationKey(10, "g");
    private static final GenerationKey AGAIN = new GenerationKey(20, "g");

    private final DedupeWindow window = new DedupeWindow(WINDOW);

    @Test
    void theSameIdWithinTheWindowIsTheSameGeneration() {
        window.began(FIRST, 1_000);
        window.ended(FIRST, 1_010);
        assertThat(window.original(AGAIN, 1_100)).contains(FIRST);
        assertThat(window.original(AGAIN, 1_101)).isEmpty();
        assertThat(window.original(new GenerationKey(20, "h"), 1_050)).isEmpty();
    }

    @Test
    void aPromptDoesNotRepeatItselfNorALaterOne() {
        window.began(AGAIN, 1_000);
        assertThat(window.original(AGAIN, 1_000)).isEmpty();
        assertThat(window.original(FIRST, 1_000)).isEmpty();
    }

    @Test
    void whileItHadNotEndedItIsTheSameHoweverLongAgoItBegan() {
        window.began(FIRST, 1_000);
        window.claimed(FIRST, 7);
        assertThat(window.original(AGAIN, 9_000)).contains(FIRST);
        window.ended(FIRST, 5_000);
        assertThat(window.original(AGAIN, 4_999)).contains(FIRST);
        assertThat(window.original(AGAIN, 5_001)).isEmpty();
    }

    @Test
    void anOwnerThatOnlySawItsTokensDecidesAlike() {
        window.claimed(FIRST, 7);
        window.ended(FIRST, 5_000);
        assertThat(window.original(AGAIN, 4_999)).contains(FIRST);
        assertThat(window.original(AGAIN, 5_001)).isEmpty();
    }

    @Test
    void repetitionsOfThePastDoNotBeginAnything() {
        window.past(FIRST, 1_000);
        window.past(AGAIN, 1_050);
        assertThat(window.original(new GenerationKey(30, "g"), 1_100)).contains(FIRST);
        assertThat(window.original(new GenerationKey(30, "g"), 1_120)).isEmpty();
    }

    @Test
    void theSafeBeginningKeepsWhatRanLongerThanAWindow() {
        window.began(FIRST, 1_000);
        window.claimed(FIRST, 7);
        window.ended(FIRST, 1_050);
        assertThat(window.leastNeeded(1_020, 99)).isEqualTo(99);
        window.ended(FIRST, 5_000);
        assertThat(window.leastNeeded(4_000, 99)).isEqualTo(7);
        assertThat(window.leastNeeded(5_001, 99)).isEqualTo(99);
    }

    @Test
    void forgetsWhatNoLaterPromptCanRepeat() {
        window.began(FIRST, 1_000);
        window.ended(FIRST, 5_000);
        window.forgetBefore(4_000, 11);
        assertThat(window.size()).isEqualTo(1);
        window.forgetBefore(5_001, 10);
        assertThat(window.size()).isEqualTo(1);
        window.forgetBefore(5_001, 11);
        assertThat(window.size()).isZero();
    }
}
