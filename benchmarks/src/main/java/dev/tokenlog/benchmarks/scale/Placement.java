package dev.tokenlog.benchmarks.scale;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;
import java.util.UUID;
import org.apache.kafka.common.utils.Utils;

/// Where streams land: the clients' own hash over random keys, and a share of all streams under one
/// key.
///
/// @param ofPartition streams of each partition
/// @param ofWorker streams of each worker, partitions being shared out evenly
record Placement(int[] ofPartition, int[] ofWorker) {

    /// @param hotShare of the streams that have the same key
    static Placement of(int streams, int partitions, int workers, double hotShare, Random random) {
        int[] ofPartition = new int[partitions];
        int hot = (int) (hotShare * streams);
        ofPartition[partition("tenant-1", partitions)] += hot;
        for (int i = hot; i < streams; i++) {
            String key = new UUID(random.nextLong(), random.nextLong()).toString();
            ofPartition[partition(key, partitions)]++;
        }
        int[] ofWorker = new int[workers];
        for (int p = 0; p < partitions; p++) {
            ofWorker[p % workers] += ofPartition[p];
        }
        return new Placement(ofPartition, ofWorker);
    }

    private static int partition(String key, int partitions) {
        return Utils.toPositive(Utils.murmur2(key.getBytes(StandardCharsets.UTF_8))) % partitions;
    }

    /// The fullest worker over the mean.
    double worstWorker() {
        return Arrays.stream(ofWorker).max().orElse(0)
                / Arrays.stream(ofWorker).average().orElse(1);
    }

    double worstPartition() {
        return Arrays.stream(ofPartition).max().orElse(0)
                / Arrays.stream(ofPartition).average().orElse(1);
    }
}
