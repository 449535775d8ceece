package dev.tokenlog.inference.protocol;

import java.util.List;
import java.util.OptionalLong;
import java.util.function.Consumer;
import java.util.function.LongConsumer;

/// The topic `prompts` beside the stream of new records: what was, and the group's commits.
public interface PromptTopic {

    /// Reads the ids of the records before `committed`, as far back as the window reaches from the
    /// first uncommitted one (from now, if there is none).
    void past(int partition, long committed, long windowMillis, Consumer<Past> done);

    /// The offset of the first record at or behind this one; the log's end, if there is none.
    void firstFrom(int partition, long offset, LongConsumer done);

    /// Commits, if the partition is assigned to this member now.
    ///
    /// @param done whether the group accepted it
    void commit(int partition, Commit commit, Consumer<Boolean> done);

    /// @param uncommitted the first records at or behind the committed offset; some of them, or
    ///   all. They come as new records too, later: a fetch that found nothing may be in their way
    /// @param end the offset behind the last prompt that was there
    record Past(List<PromptRecord> uncommitted, List<PastPrompt> prompts, long end) {

        OptionalLong firstUncommittedTime() {
            return uncommitted.isEmpty()
                    ? OptionalLong.empty()
                    : OptionalLong.of(uncommitted.getFirst().appendTime());
        }
    }

    record PastPrompt(long offset, long appendTime, String generationId) {}

    /// @param offset of the first prompt that is not done
    /// @param safeBeginning the offset in `tokens` from which a new owner has to read
    record Commit(long offset, long safeBeginning) {

        private static final String KEY = "safe-beginning=";

        public String metadata() {
            return KEY + safeBeginning;
        }

        /// The safe beginning in a commit's metadata; empty where somebody else wrote it.
        public static OptionalLong safeBeginning(String metadata) {
            if (metadata == null || !metadata.matches(KEY + "\\d{1,18}")) {
                return OptionalLong.empty();
            }
            return OptionalLong.of(Long.parseLong(metadata.substring(KEY.length())));
        }
    }
}
