package dev.tokenlog.artifactstore.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.artifact.ModelFiles;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.safetensors.SafetensorsFolder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.TreeSet;
import java.util.regex.Pattern;

/// Which files of a repository a model is made of: those that can change a token, and weights in
/// safetensors. Weights in other forms are refused by name; some of them are programs.
final class HubFiles {

    /// Weights that we do not read, with the reason.
    private static final Pattern PICKLE =
            Pattern.compile(".*\\.(bin|pt|pth|ckpt|pkl)(\\.index\\.json)?");

    private static final Pattern OTHER = Pattern.compile(".*\\.(h5|msgpack|onnx|safetensors)");

    private HubFiles() {}

    /// Configuration, tokenizer and templates; with the weights' index, where there is one.
    static List<HubFile> small(HubListing listing, Hub.Part part) {
        if (listing.id().file().isPresent()) {
            return List.of(); // it is all in the one file
        }
        List<HubFile> files = new ArrayList<>();
        for (String name : ModelFiles.COPIED) {
            listing.find(name).ifPresent(files::add);
        }
        files.addAll(listing.moreTemplates());
        if (part == Hub.Part.MODEL) {
            requireWeights(listing);
            if (listing.find(ModelFiles.CONFIG).isEmpty()) {
                throw new EngineException(
                        Reason.SOURCE_NOT_FOUND,
                        listing.id() + ": there is no file '" + ModelFiles.CONFIG + "'");
            }
            listing.find(SafetensorsFolder.INDEX).ifPresent(files::add);
        } else if (files.isEmpty()) {
            throw new EngineException(
                    Reason.SOURCE_NOT_FOUND,
                    listing.id() + ": there is neither a configuration nor a tokenizer");
        }
        return files;
    }

    private static List<String> ggufFiles(HubListing listing) {
        return listing.files().keySet().stream()
                .filter(name -> name.endsWith(".gguf"))
                .sorted()
                .limit(20)
                .toList();
    }

    private static void requireWeights(HubListing listing) {
        if (listing.find(SafetensorsFolder.INDEX).isPresent()
                || listing.find(SafetensorsFolder.SINGLE).isPresent()) {
            return;
        }
        TreeSet<String> names = new TreeSet<>(listing.files().keySet());
        Optional<String> pickle =
                names.stream().filter(n -> PICKLE.matcher(n).matches()).findFirst();
        if (pickle.isPresent()) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: '%s' is a Python pickle, which can run a program when it is read: expected %s; look for a revision that has it (often refs/pr/N), or for another repository of the model"
                            .formatted(listing.id(), pickle.get(), SafetensorsFolder.SINGLE));
        }
        if (!ggufFiles(listing).isEmpty()) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: it has no safetensors, but GGUF files: say which one (--file, or #FILE after the id): %s"
                            .formatted(listing.id(), ggufFiles(listing)));
        }
        Optional<String> other = names.stream().filter(n -> OTHER.matcher(n).matches()).findFirst();
        if (other.isPresent()) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: its weights are in '%s': expected %s or %s"
                            .formatted(
                                    listing.id(),
                                    other.get(),
                                    SafetensorsFolder.SINGLE,
                                    SafetensorsFolder.INDEX));
        }
        throw new EngineException(
                Reason.SOURCE_NOT_FOUND,
                "%s: neither %s nor %s is there"
                        .formatted(
                                listing.id(), SafetensorsFolder.SINGLE, SafetensorsFolder.INDEX));
    }

    /// The files that hold the weights.
    ///
    /// @param folder where the index is by now, if there is one
    static List<HubFile> weights(HubListing listing, Path folder) {
        Optional<String> wanted = listing.id().file();
        if (wanted.isPresent()) {
            return List.of(
                    listing.find(wanted.get())
                            .orElseThrow(() ->
                                    new EngineException(
                                            Reason.SOURCE_NOT_FOUND,
                                            "%s: there is no file '%s'; the GGUF files there are %s"
                                                    .formatted(
                                                            listing.id(),
                                                            wanted.get(),
                                                            ggufFiles(listing)))));
        }
        if (listing.find(SafetensorsFolder.INDEX).isEmpty()) {
            return List.of(listing.find(SafetensorsFolder.SINGLE).orElseThrow());
        }
        List<HubFile> shards = new ArrayList<>();
        for (String name : shards(folder.resolve(SafetensorsFolder.INDEX))) {
            shards.add(
                    listing.find(name)
                            .orElseThrow(() ->
                                    new EngineException(
                                            Reason.SOURCE_NOT_FOUND,
                                            "%s: there is no file '%s', which %s names"
                                                    .formatted(
                                                            listing.id(),
                                                            name,
                                                            SafetensorsFolder.INDEX))));
        }
        return shards;
    }

    /// The shards that an index names, sorted.
    static List<String> shards(Path index) {
        JsonNode map = StrictJson.object(index).path("weight_map");
        TreeSet<String> names = new TreeSet<>();
        for (JsonNode value : map) {
            String name = value.asText();
            if (!value.isTextual() || !HubFile.isInside(name) || name.indexOf('/') >= 0) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: weight_map names '%s', which is no file of the folder"
                                .formatted(index, name.replaceAll("\\p{Cntrl}", "?")));
            }
            names.add(name);
        }
        if (names.isEmpty()) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, index + ": 'weight_map' is missing or empty");
        }
        return List.copyOf(names);
    }
}
