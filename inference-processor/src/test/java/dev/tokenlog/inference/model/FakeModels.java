package dev.tokenlog.inference.model;

import dev.tokenlog.contracts.PromptEvent.PromptSubmitted;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.generation.GenerationEngine;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;

/// Models of given sizes that count the memory they take, from the beginning of a load to the end
/// of a close. Safe for several threads.
final class FakeModels implements ModelLoader {

    private final Map<String, Long> sizes = new HashMap<>();
    private final Set<String> broken = new HashSet<>();
    private long taken;
    private long mostTaken;
    private int loads;

    synchronized FakeModels with(String digest, long bytes) {
        sizes.put(digest, bytes);
        return this;
    }

    synchronized void breakModel(String digest, boolean isBroken) {
        if (isBroken) {
            broken.add(digest);
        } else {
            broken.remove(digest);
        }
    }

    synchronized long taken() {
        return taken;
    }

    synchronized long mostTaken() {
        return mostTaken;
    }

    synchronized int loads() {
        return loads;
    }

    @Override
    public String numericsId() {
        return "fake-1";
    }

    @Override
    public String compute() {
        return "compute: FAKE";
    }

    @Override
    public int threads() {
        return 1;
    }

    @Override
    public synchronized long bytes(String digest, String location) {
        if (!sizes.containsKey(digest)) {
            throw new EngineException(Reason.MODEL_UNREADABLE, digest + " is not here");
        }
        return sizes.get(digest);
    }

    @Override
    public LoadedModel load(String digest, String location) {
        long bytes = bytes(digest, location);
        take(bytes);
        synchronized (this) {
            if (broken.contains(digest)) {
                taken -= bytes;
                throw new EngineException(Reason.MODEL_UNREADABLE, digest + " is broken");
            }
        }
        return new FakeModel(digest, bytes);
    }

    private synchronized void take(long bytes) {
        loads++;
        taken += bytes;
        mostTaken = Math.max(mostTaken, taken);
    }

    private synchronized void give(long bytes) {
        taken -= bytes;
    }

    final class FakeModel implements LoadedModel {
        private final String digest;
        private final long bytes;
        private volatile boolean closed;

        FakeModel(String digest, long bytes) {
            this.digest = digest;
            this.bytes = bytes;
        }

        /// What a generation does.
        void use() {
            if (closed) {
                throw new IllegalStateException(digest + " is used after its end");
            }
        }

        boolean isClosed() {
            return closed;
        }

        @Override
        public GenerationEngine engine() {
            throw new UnsupportedOperationException("it computes nothing");
        }

        @Override
        public int contextLength() {
            return 1;
        }

        @Override
        public int[] encode(PromptSubmitted prompt, Instant clock) {
            return new int[0];
        }

        @Override
        public TextStream text() {
            return _ -> "";
        }

        @Override
        public void close() {
            if (closed) {
                throw new IllegalStateException(digest + " is closed twice");
            }
            closed = true;
            give(bytes);
        }
    }
}
