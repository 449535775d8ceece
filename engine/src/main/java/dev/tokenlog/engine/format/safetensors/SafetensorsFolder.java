package dev.tokenlog.engine.format.safetensors;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Map.Entry;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Pattern;

/// The weights of a Hugging Face folder: `model.safetensors`, or the shards that
/// `model.safetensors.index.json` names under `weight_map`. A shard lies in the folder itself; the
/// index must tell of every tensor of every shard where it is, and nothing else; a shard that it
/// does not name, and shards without an index, are refused.
public final class SafetensorsFolder {

    public static final String SINGLE = "model.safetensors";
    public static final String INDEX = "model.safetensors.index.json";

    private static final Pattern SHARD =
            Pattern.compile("model-[0-9]{1,9}-of-[0-9]{1,9}\\.safetensors");

    private final List<Path> files;
    private final Map<String, Tensor> tensors;
    private final Map<String, Path> holders;

    private SafetensorsFolder(
            List<Path> files, Map<String, Tensor> tensors, Map<String, Path> holders) {
        this.files = List.copyOf(files);
        this.tensors = tensors;
        this.holders = holders;
    }

    /// @param arena how long the data stays mapped
    public static SafetensorsFolder open(Path folder, Arena arena) {
        Path index = folder.resolve(INDEX);
        if (InputFiles.isThere(index)) {
            return openShards(folder, index, arena);
        }
        Path single = folder.resolve(SINGLE);
        refuseExtra(folder, Set.of(SINGLE), "beside " + SINGLE + " without " + INDEX);
        if (!InputFiles.isThere(single)) {
            throw new EngineException(
                    Reason.SOURCE_NOT_FOUND,
                    folder + ": neither " + SINGLE + " nor " + INDEX + " is there");
        }
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, Path> holders = new LinkedHashMap<>();
        for (Tensor tensor : SafetensorsFile.open(single, arena).tensors()) {
            tensors.put(tensor.name(), tensor);
            holders.put(tensor.name(), single);
        }
        return new SafetensorsFolder(List.of(single), tensors, holders);
    }

    private static SafetensorsFolder openShards(Path folder, Path index, Arena arena) {
        Map<String, Map<String, Tensor>> shards = new TreeMap<>();
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, Path> holders = new LinkedHashMap<>();
        Map<String, String> weightMap = weightMap(index);
        refuseExtra(folder, Set.copyOf(weightMap.values()), "but " + INDEX + " does not name it");
        for (Entry<String, String> entry : weightMap.entrySet()) {
            String name = entry.getKey();
            String shard = entry.getValue();
            Map<String, Tensor> held =
                    shards.computeIfAbsent(shard, file -> read(folder.resolve(file), arena));
            Tensor tensor = held.remove(name);
            if (tensor == null) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        index + ": tensor '" + name + "' is not in " + shard);
            }
            tensors.put(name, tensor);
            holders.put(name, folder.resolve(shard));
        }
        shards.forEach((shard, rest) -> {
            if (!rest.isEmpty()) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: tensor '%s' of %s is missing in the index"
                                .formatted(index, rest.keySet().iterator().next(), shard));
            }
        });
        List<Path> files = new ArrayList<>(List.of(index));
        shards.keySet().forEach(shard -> files.add(folder.resolve(shard)));
        return new SafetensorsFolder(files, tensors, holders);
    }

    /// Weights that lie there and would not be read: of an older version of the model, or those
    /// that the index has forgotten.
    private static void refuseExtra(Path folder, Set<String> named, String why) {
        try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "model*.safetensors")) {
            for (Path file : files) {
                String name = file.getFileName().toString();
                boolean weights = name.equals(SINGLE) || SHARD.matcher(name).matches();
                if (weights && !named.contains(name)) {
                    throw new EngineException(
                            Reason.SOURCE_UNREADABLE,
                            "%s: is there, %s: which files are the model's? Take the others away"
                                    .formatted(file, why));
                }
            }
        } catch (DirectoryIteratorException e) {
            throw InputFiles.unreadable(folder, e.getCause());
        } catch (IOException e) {
            throw InputFiles.unreadable(folder, e);
        }
    }

    private static Map<String, Tensor> read(Path file, Arena arena) {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        SafetensorsFile.open(file, arena).tensors().forEach(t -> tensors.put(t.name(), t));
        return tensors;
    }

    private static Map<String, String> weightMap(Path index) {
        JsonNode map = StrictJson.object(index).path("weight_map");
        if (!map.isObject() || map.isEmpty()) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, index + ": 'weight_map' is missing or empty");
        }
        if (map.size() > SafetensorsHeader.MAX_TENSORS) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    index + ": more than " + SafetensorsHeader.MAX_TENSORS + " tensors");
        }
        Map<String, String> weightMap = new LinkedHashMap<>();
        for (Entry<String, JsonNode> entry : map.properties()) {
            String shard = entry.getValue().asText();
            if (!entry.getValue().isTextual() || !isPlainFileName(shard)) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE,
                        "%s: weight_map of '%s': '%s' is not the name of a file in the folder"
                                .formatted(index, entry.getKey(), shard));
            }
            weightMap.put(entry.getKey(), shard);
        }
        return weightMap;
    }

    /// Whether a name stays in its folder on every operating system.
    static boolean isPlainFileName(String name) {
        return name.matches("[A-Za-z0-9_][A-Za-z0-9._-]{0,199}");
    }

    /// The index, if there is one, and the weight files.
    public List<Path> files() {
        return files;
    }

    public Optional<Tensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    /// The file that holds a tensor; null for an unknown name.
    public Path fileOf(String name) {
        return holders.get(name);
    }

    public List<Tensor> tensors() {
        return List.copyOf(tensors.values());
    }
}
