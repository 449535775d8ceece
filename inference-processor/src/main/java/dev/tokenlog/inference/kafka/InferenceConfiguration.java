package dev.tokenlog.inference.kafka;

import io.smallrye.config.ConfigMapping;
import io.smallrye.config.WithDefault;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;

/// `tokenlog.inference.*`: how this worker answers prompts.
@ConfigMapping(prefix = "tokenlog.inference")
public interface InferenceConfiguration {

    /// Consumer group that shares the prompts.
    @WithDefault("tokenlog-inference")
    String group();

    /// Of the health page, where this is an application of its own.
    @WithDefault("0")
    int httpPort();

    /// Threads that compute; missing: all processors.
    OptionalInt threads();

    Group tokens();

    Defaults defaults();

    Limits limits();

    Models models();

    Rules rules();

    /// How often the snapshot on `worker-events` is renewed, changes apart.
    @WithDefault("30s")
    Duration snapshotInterval();

    /// How long an end or a rebalance waits for generations to be handed over.
    @WithDefault("5s")
    Duration handOverTimeout();

    /// How long a worker prepares at most before it joins the group: it reads the registry, loads
    /// the pinned models and computes a few tokens on each, so that streams that come to it go on
    /// at once. 0: it joins cold.
    @WithDefault("20s")
    Duration warmUp();

    /// For tests of what a death costs: `POINT:NTH:ACTION`, for instance `in-claim:3:kill`. When a
    /// generation passes that point for the n-th time, this process is killed (`kill`), stopped
    /// until somebody continues it (`stop`), or dies in native code (`crash`).
    Optional<String> halt();

    /// For tests of wrong clocks: added to what this worker takes for the time.
    @WithDefault("0s")
    Duration clockOffset();

    /// How tokens are put together in one event, after the first, which is sent at once. The
    /// interval is that of one or two generations, up to four times as long where more run.
    interface Group {
        @WithDefault("64")
        int size();

        @WithDefault("25ms")
        Duration interval();
    }

    /// What a prompt that does not say gets.
    interface Defaults {
        @WithDefault("256")
        int maxTokens();

        @WithDefault("0")
        double temperature();

        @WithDefault("0")
        int topK();

        @WithDefault("1")
        double topP();
    }

    /// What this worker takes on at once.
    interface Limits {
        /// Tokens of all generations that run, as they begin: prompt, what an earlier attempt made,
        /// and a few more. What they grow to is bounded by `tokenlog.kv.budget`.
        @WithDefault("16384")
        long tokens();

        @WithDefault("32")
        int generations();

        /// Sequences in one model's step.
        @WithDefault("16")
        int sequences();

        /// Guessed tokens in one step; 0: nothing is guessed.
        @WithDefault("15")
        int drafts();

        /// Prompts that wait in memory.
        @WithDefault("1000")
        int heldPrompts();

        @WithDefault("67108864")
        long heldBytes();
    }

    /// The models that this worker has in memory.
    interface Models {
        /// What their weights may take together; missing: half of the memory of the machine or
        /// container.
        OptionalLong memoryBytes();

        /// Names of models that are loaded at the start and never evicted while they are served,
        /// separated by commas.
        Optional<Set<String>> pinned();

        /// PEM files of public keys, separated by commas. Where they are given, a model that none
        /// of them has signed is refused with `SIGNATURE_REFUSED`; missing: signatures do not
        /// matter.
        Optional<List<Path>> trustedKeys();
    }

    /// The times of `docs/events.md`.
    interface Rules {
        @WithDefault("1h")
        Duration dedupeWindow();

        @WithDefault("24h")
        Duration maxAge();

        @WithDefault("60s")
        Duration clockSkew();
    }
}
