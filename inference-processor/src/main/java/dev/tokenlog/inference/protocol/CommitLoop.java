package dev.tokenlog.inference.protocol;

import dev.tokenlog.inference.protocol.PromptTopic.Commit;
import java.util.ArrayList;
import java.util.List;

/// The commits of one assignment: one on its way at a time, each with what holds when it is sent.
final class CommitLoop {

    /// What may be committed, and who wants to know.
    interface Progress {

        /// Whether the partition is this worker's and has been read.
        boolean isOpen();

        Commit commit();

        /// The group has accepted this offset.
        void committed(long offset);
    }

    private final Worker worker;
    private final int partition;
    private final Progress progress;
    private List<Runnable> proofs = new ArrayList<>();
    private boolean inFlight;
    private long committed;

    CommitLoop(Worker worker, int partition, long committed, Progress progress) {
        this.worker = worker;
        this.partition = partition;
        this.committed = committed;
        this.progress = progress;
    }

    long committed() {
        return committed;
    }

    /// Runs the task after the group has accepted a commit of this worker that was sent from now
    /// on.
    void proveOwnership(Runnable proven) {
        proofs.add(proven);
        advance();
    }

    /// Commits, if there is something new or somebody waits for proof.
    void advance() {
        if (!progress.isOpen() || inFlight) {
            return;
        }
        Commit commit = progress.commit();
        if (commit.offset() == committed && proofs.isEmpty()) {
            return;
        }
        inFlight = true;
        List<Runnable> asked = proofs;
        proofs = new ArrayList<>();
        worker.ports()
                .prompts()
                .commit(partition, commit, accepted -> answered(commit, asked, accepted));
    }

    private void answered(Commit commit, List<Runnable> asked, boolean accepted) {
        inFlight = false;
        if (!progress.isOpen()) {
            return;
        }
        if (!accepted) {
            proofs.addAll(asked);
            worker.after(Partition.RETRY_MILLIS, this::advance);
            return;
        }
        committed = commit.offset();
        progress.committed(committed);
        asked.forEach(Runnable::run);
        advance();
    }
}
