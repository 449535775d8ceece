package dev.tokenlog.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import dev.tokenlog.chaos.CommitHistory.Commit;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/// Forged logs: each is what a platform would write that had lost one of its rules, and each is
/// caught under the invariant that the rule protects.
class StreamJudgeTest {

    private final List<RawLog.Entry> tokens = new ArrayList<>();
    private long time = 1_000;

    @Test
    void aGenerationThatDiedTwiceAndIsCompleteIsFine() {
        start();
        write(1, 0, 5, 6);
        claim(2);
        write(1, 2, 7); // a zombie's, void
        claim(3);
        write(3, 2, 7, 8);
        finish(3, 5, 6, 7, 8);

        assertThat(judged(List.of(5, 6, 7, 8)).violations()).isEmpty();
    }

    /// Without the fence a second worker publishes under an attempt that is not its own.
    @Test
    void twoWorkersUnderOneAttemptAreCaught() {
        start();
        claim(2);
        claim(2);
        write(2, 0, 5, 6);
        write(2, 0, 5, 6);
        finish(2, 5, 6);

        assertThat(judged(List.of(5, 6)).violations())
                .extracting(Violation::invariant, Violation::text)
                .anySatisfy(found ->
                        assertThat(found.toString())
                                .contains("whole")
                                .contains("written twice under attempt 2"));
    }

    @Test
    void aGapBeforeTheEndIsCaught() {
        start();
        write(1, 0, 5);
        write(1, 2, 7);
        finish(1, 5);

        assertThat(judged(List.of(5)).violations())
                .anySatisfy(v -> assertThat(v.text()).contains("wrote index 2"));
    }

    @Test
    void twoEndsOfOneAttemptAreCaught() {
        start();
        write(1, 0, 5);
        finish(1, 5);
        finish(1, 5);

        assertThat(judged(List.of(5)).violations())
                .anySatisfy(v -> assertThat(v.text()).contains("ended twice"));
    }

    @Test
    void aWrongHashIsCaught() {
        start();
        write(1, 0, 5, 6);
        finish(1, 5);

        assertThat(judged(List.of(5, 6)).violations())
                .anySatisfy(v -> assertThat(v.text()).contains("token_hash"))
                .anySatisfy(v -> assertThat(v.text()).contains("usage says 1"));
    }

    @Test
    void aGenerationWithoutAnEndIsCaught() {
        start();
        write(1, 0, 5);

        assertThat(judged(List.of(5)).violations())
                .anySatisfy(v -> assertThat(v.text()).contains("not ended"));
    }

    /// Random numbers that come from a stream instead of a counter give other tokens after a
    /// resumption.
    @Test
    void tokensOfAnotherRunAreCaught() {
        start();
        write(1, 0, 5);
        claim(2);
        write(2, 1, 9);
        finish(2, 5, 9);

        assertThat(judged(List.of(5, 6)).violations())
                .singleElement()
                .satisfies(v -> {
                    assertThat(v.invariant()).isEqualTo("undisturbed");
                    assertThat(v.text()).contains("token 1");
                });
    }

    @Test
    void aLostPromptIsCaught() {
        start();
        finish(1);
        StreamJudge judge = new StreamJudge(new RawLog(tokens));
        judge.nothingLost(List.of("g", "never-begun"));

        assertThat(judge.violations())
                .singleElement()
                .satisfies(v -> assertThat(v.subject()).isEqualTo("never-begun"));
    }

    /// Without the rule of the first gap a later prompt's end commits over one that still runs.
    @Test
    void aCommitPastARunningPromptIsCaught() {
        start();
        write(1, 0, 5);
        long before = time;
        finish(1, 5);
        RawLog prompts = new RawLog(List.of(prompt(0, "g"), prompt(1, "other")));
        StreamJudge judge = new StreamJudge(new RawLog(tokens));
        judge.committed(prompts, List.of(new Commit(0, 1, before)));
        judge.committed(prompts, List.of(new Commit(0, 0, before)));
        judge.committed(prompts, List.of(new Commit(0, 1, time)));

        assertThat(judge.violations())
                .singleElement()
                .satisfies(v -> {
                    assertThat(v.invariant()).isEqualTo("commit");
                    assertThat(v.text()).contains("offset 1 was committed");
                });

        judge.committed(prompts, List.of(new Commit(0, 2, time)));
        assertThat(judge.violations().getLast().text()).contains("ended never");
    }

    @Test
    void poisonNeedsFourSilentAttempts() {
        start();
        claim(2);
        claim(3);
        claim(4);
        claim(5);
        fail(5, "POISON");
        assertThat(judged(List.of(5)).violations()).isEmpty();

        tokens.clear();
        start();
        write(1, 0);
        claim(2);
        claim(3);
        claim(4);
        claim(5);
        fail(5, "POISON");
        assertThat(judged(List.of(5)).violations())
                .singleElement()
                .satisfies(v -> assertThat(v.text()).contains("3 silent attempts"));
    }

    @Test
    void aReaderThatWasGivenSomethingElseIsCaught() {
        start();
        write(1, 0, 5, 6);
        finish(1, 5, 6);
        Reading reading = new Reading("g");
        reading.begin();
        reading.take(
                new dev.tokenlog.client.GenerationUpdate.Tokens(1, 0, List.of(5), "", List.of()),
                1);
        reading.begin();
        reading.take(
                new dev.tokenlog.client.GenerationUpdate.Tokens(1, 0, List.of(4), "", List.of()),
                2);
        StreamJudge judge = new StreamJudge(new RawLog(tokens));
        judge.delivered(reading);

        assertThat(judge.violations())
                .extracting(Violation::text)
                .containsExactly("token 0 has changed", "its stream has not ended");
    }

    private StreamJudge judged(List<Integer> undisturbed) {
        StreamJudge judge = new StreamJudge(new RawLog(tokens));
        judge.whole();
        judge.nothingLost(List.of("g"));
        judge.undisturbed(Map.of("g", new Reference.Answer(undisturbed, "stop")));
        return judge;
    }

    private void start() {
        event("GenerationStarted", 1, "");
    }

    private void claim(int attempt) {
        event("GenerationResumed", attempt, "");
    }

    private void write(int attempt, int index, Integer... ids) {
        event(
                "TokensGenerated",
                attempt,
                ",\"index\":%d,\"token_ids\":%s".formatted(index, List.of(ids)));
    }

    private void finish(int attempt, Integer... ids) {
        event(
                "GenerationFinished",
                attempt,
                ",\"reason\":\"stop\",\"token_hash\":\"%s\",\"usage\":{\"completion_tokens\":%d}"
                        .formatted(RawGeneration.hash(List.of(ids)), ids.length));
    }

    private void fail(int attempt, String code) {
        event(
                "GenerationFailed",
                attempt,
                ",\"code\":\"%s\",\"usage\":{\"completion_tokens\":0}".formatted(code));
    }

    private void event(String type, int attempt, String rest) {
        String json =
                "{\"type\":\"%s\",\"generation_id\":\"g\",\"prompt_offset\":0,\"attempt\":%d%s}"
                        .formatted(type, attempt, rest);
        time++;
        tokens.add(
                new RawLog.Entry(
                        0, tokens.size(), time, null, json.getBytes(StandardCharsets.UTF_8)));
    }

    private static RawLog.Entry prompt(long offset, String id) {
        return new RawLog.Entry(
                0,
                offset,
                0,
                null,
                "{\"generation_id\":\"%s\"}".formatted(id).getBytes(StandardCharsets.UTF_8));
    }
}
