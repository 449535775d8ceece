package dev.tokenlog.cli;

import dev.tokenlog.client.Timeline;
import dev.tokenlog.contracts.ConversionEvent.ArtifactWritten;
import dev.tokenlog.contracts.ConversionEvent.FileDigest;
import dev.tokenlog.contracts.ConversionEvent.ProvenanceSigned;
import dev.tokenlog.contracts.ConversionEvent.SourceResolved;
import dev.tokenlog.contracts.Event;
import dev.tokenlog.contracts.TokenEvent.GenerationFinished;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The digests of a timeline in full: from the tokens to the weights that made them to the files
/// that these were made of. What compares them needs more than a beginning.
///
/// @param tokens hash over a generation's token ids, if the timeline has a finished one
/// @param artifact of the last conversion in it
/// @param signature the last one in it
/// @param source of the last conversion in it
record Chain(
        Optional<GenerationFinished> tokens,
        Optional<ArtifactWritten> artifact,
        Optional<ProvenanceSigned> signature,
        Optional<SourceResolved> source) {

    static Chain of(Timeline timeline) {
        return new Chain(
                last(timeline, GenerationFinished.class),
                last(timeline, ArtifactWritten.class),
                last(timeline, ProvenanceSigned.class),
                last(timeline, SourceResolved.class));
    }

    private static <E extends Event> Optional<E> last(Timeline timeline, Class<E> type) {
        return timeline.entries().stream()
                .filter(entry -> entry.note().isEmpty())
                .flatMap(entry -> entry.event().stream())
                .filter(type::isInstance)
                .map(type::cast)
                .reduce((_, later) -> later);
    }

    /// Empty where there is nothing to compare.
    List<String> lines() {
        List<String> lines = new ArrayList<>();
        tokens.ifPresent(e -> lines.add("tokens   " + e.tokenHash()));
        artifact.ifPresent(e -> {
            lines.add("model    " + e.modelDigest());
            lines.add("weights  " + e.weightsDigest());
            lines.add("manifest " + e.manifestSha256());
            lines.add(
                    "signed   "
                            + signature
                                    .filter(s -> s.modelDigest().equals(e.modelDigest()))
                                    .map(s -> "by key " + s.provenance().keyId())
                                    .orElse("by nobody"));
        });
        source.filter(e -> e.repository() != null)
                .ifPresent(e -> lines.add("source   " + e.location()));
        source.map(SourceResolved::files)
                .ifPresent(files -> {
                    for (FileDigest file : files) {
                        lines.add("source   %s  %s".formatted(file.sha256(), file.path()));
                    }
                });
        if (!lines.isEmpty()) {
            lines.addFirst("");
        }
        return lines;
    }
}
