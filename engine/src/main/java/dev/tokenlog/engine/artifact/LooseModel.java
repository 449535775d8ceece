package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.format.InputFiles;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.npz.NpzFile;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The tensors of an NPZ archive, or of a manifest whose arrays lie in an archive or in files
/// beside it. Both dialects of each are read:
///
/// - archives with keys like `layer_0_mlp_up_proj_weight_q4` (transposed) and with dotted names;
/// - manifests with `weights` as a list and as a map, version as a text and as a number.
final class LooseModel implements SourceWeights, AutoCloseable {

    private static final Pattern CODES =
            Pattern.compile("(?<base>.+)_(?:q(?<bits>[248])|(?<bit>1bit)|(?<float>fp32))");

    private static final Pattern MANIFEST_NAME =
            Pattern.compile("(?<name>.+)_manifest(?:_q[0-9]+)?\\.json");
    private static final Pattern ARCHIVE_NAME =
            Pattern.compile("(?<name>.+?)(?:_quantized(?:_q[0-9]+)?)?\\.npz");

    private final Path path;
    private final LooseFiles files;
    private final Map<String, LooseTensor> tensors = new LinkedHashMap<>();

    private LooseModel(Path path, LooseFiles files) {
        this.path = path;
        this.files = files;
    }

    /// Whether a file begins like one of these.
    static boolean isArchive(Path path) {
        return begins(path, "PK");
    }

    static boolean isManifest(Path path) {
        return path.getFileName().toString().endsWith(".json");
    }

    private static boolean begins(Path path, String magic) {
        try (InputStream in = Files.newInputStream(path)) {
            byte[] start = in.readNBytes(magic.length());
            return new String(start, StandardCharsets.ISO_8859_1).equals(magic);
        } catch (IOException e) {
            throw InputFiles.unreadable(path, e);
        }
    }

    /// The model's name: that of the file without what every such file is called.
    static String nameOf(Path path) {
        String name = path.getFileName().toString();
        for (Pattern pattern : List.of(MANIFEST_NAME, ARCHIVE_NAME)) {
            Matcher matcher = pattern.matcher(name);
            if (matcher.matches()) {
                return matcher.group("name");
            }
        }
        return path.toAbsolutePath().getParent().getFileName().toString();
    }

    /// @throws EngineException naming file and key, field or entry
    static LooseModel open(Path path) {
        Path absolute = path.toAbsolutePath().normalize();
        InputFiles.requireRegular(absolute);
        if (!isArchive(absolute)) {
            return ofManifest(absolute);
        }
        LooseModel model =
                new LooseModel(
                        absolute, new LooseFiles(absolute.getParent(), NpzFile.open(absolute)));
        boolean read = false;
        try {
            model.readArchive();
            read = true;
            return model;
        } finally {
            if (!read) {
                model.close();
            }
        }
    }

    private static LooseModel ofManifest(Path path) {
        JsonNode manifest = StrictJson.object(path);
        Path folder = path.getParent();
        LooseModel model = new LooseModel(path, new LooseFiles(folder, archive(manifest, folder)));
        boolean read = false;
        try {
            model.readManifest(manifest);
            read = true;
            return model;
        } finally {
            if (!read) {
                model.close();
            }
        }
    }

    /// The archive that a manifest names, if it lies beside it: older ones name a path of the
    /// machine that made them, and have their arrays in files.
    private static NpzFile archive(JsonNode manifest, Path folder) {
        String stated = manifest.path("model").path("source_npz").asText("");
        String name =
                stated.substring(Math.max(stated.lastIndexOf('/'), stated.lastIndexOf('\\')) + 1);
        if (name.isEmpty() || !name.endsWith(".npz") || name.indexOf('\0') >= 0) {
            return null;
        }
        Path archive = folder.resolve(name);
        return InputFiles.isThere(archive) ? NpzFile.open(archive) : null;
    }

    private void readArchive() {
        Set<String> left = new LinkedHashSet<>();
        archive().arrays().forEach(array -> left.add(array.key()));
        for (NpzFile.ArrayFacts array : archive().arrays()) {
            Matcher matcher = CODES.matcher(array.key());
            if (matcher.matches()) {
                left.remove(array.key());
                put(tensor(array.key(), matcher, left));
            }
        }
        for (String key : left) {
            if (!key.startsWith("_config_")) {
                throw new EngineException(
                        Reason.UNSUPPORTED, path + ": array '" + key + "' belongs to no tensor");
            }
        }
    }

    private NpzFile archive() {
        return files.archive().orElseThrow();
    }

    private LooseTensor tensor(String key, Matcher matcher, Set<String> left) {
        String base = matcher.group("base");
        int bits =
                matcher.group("float") != null
                        ? 32
                        : matcher.group("bit") != null
                                ? 1
                                : Integer.parseInt(matcher.group("bits"));
        String scales = bits == 1 ? base + "_scales" : key + "_scales";
        List<Long> shape = null;
        if (archive().array(base + "_shape").isPresent()) {
            shape = integers(take(base + "_shape", left));
        }
        requireRows(base, left);
        int groupSize = 0;
        if (archive().array(base + "_group_size").isPresent()) {
            groupSize = Math.toIntExact(integers(take(base + "_group_size", left)).getFirst());
        }
        return new LooseTensor(
                base,
                LooseNames.hub(base),
                bits,
                LooseNames.isTransposed(base),
                shape,
                groupSize,
                files.array(key).orElseThrow(),
                bits == 32 ? null : find(scales, left),
                bits == 32 ? null : find(key + "_zero_point", left));
    }

    private LooseArray take(String key, Set<String> left) {
        left.remove(key);
        return files.array(key).orElseThrow();
    }

    private LooseArray find(String key, Set<String> left) {
        left.remove(key);
        return files.array(key).orElse(null);
    }

    /// Scales belong to rows: axis 0.
    private void requireRows(String base, Set<String> left) {
        String key = base + "_pc_axis";
        if (archive().array(key).isPresent()) {
            long axis = integers(take(key, left)).getFirst();
            if (axis != 0) {
                throw new EngineException(
                        Reason.UNSUPPORTED,
                        path + ": array '" + key + "': scales along axis " + axis + ", expected 0");
            }
        }
    }

    /// A few whole numbers.
    private List<Long> integers(LooseArray array) {
        if (!array.isInteger() || array.elements() < 1 || array.elements() > 32) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    array.what() + ": " + array.type() + " " + array.shape() + ", expected sizes");
        }
        MemorySegment numbers = array.numbers().get();
        List<Long> integers = new ArrayList<>();
        for (int i = 0; i < array.elements(); i++) {
            long each = LooseArray.integer(array.type(), numbers, i);
            if (each < 0 || each > Integer.MAX_VALUE) {
                throw new EngineException(
                        Reason.SOURCE_UNREADABLE, array.what() + ": " + each + " is no size");
            }
            integers.add(each);
        }
        return integers;
    }

    private void readManifest(JsonNode manifest) {
        String version = manifest.path("format_version").asText("");
        if (!version.equals("2")) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    path + ": field 'format_version': '" + version + "', expected 2");
        }
        JsonNode weights = manifest.path("weights");
        if (weights.isArray()) {
            for (int i = 0; i < weights.size(); i++) {
                String where = "weights[" + i + "]";
                put(entry(text(weights.get(i), "name", where), weights.get(i), where));
            }
        } else if (weights.isObject()) {
            weights.properties()
                    .forEach(each ->
                            put(entry(each.getKey(), each.getValue(), "weights." + each.getKey())));
        } else {
            throw unreadable("weights", "expected a list or a map");
        }
    }

    private LooseTensor entry(String name, JsonNode entry, String where) {
        List<Long> shape = shape(entry, where);
        int groupSize = size(entry.path("quantization").path("group_size"), where + ".group_size");
        if (entry.hasNonNull("fp32")) {
            LooseArray values = array(entry, "fp32", where);
            return new LooseTensor(
                    name, LooseNames.hub(name), 32, false, shape, 0, values, null, null);
        }
        int bits = size(entry.path("bit_width"), where + ".bit_width");
        if (entry.hasNonNull("packed")) {
            if (bits != 1) {
                throw unreadable(where + ".packed", "bit_width " + bits + ", expected 1");
            }
            LooseArray packed =
                    files.packed(text(entry, "packed", where), shape, path + ": " + where);
            return new LooseTensor(
                    name,
                    LooseNames.hub(name),
                    1,
                    false,
                    shape,
                    0,
                    packed,
                    array(entry, "scales", where),
                    null);
        }
        if (bits != 1 && bits != 2 && bits != 4 && bits != 8) {
            throw unreadable(where + ".bit_width", bits + ", expected 1, 2, 4 or 8");
        }
        return new LooseTensor(
                name,
                LooseNames.hub(name),
                bits,
                false,
                shape,
                groupSize,
                array(entry, "q", where),
                array(entry, "q_scales", where),
                entry.hasNonNull("q_zero_point") ? array(entry, "q_zero_point", where) : null);
    }

    /// A file beside the manifest, or the key of an array in its archive.
    private LooseArray array(JsonNode entry, String field, String where) {
        String reference = text(entry, field, where);
        if (reference.endsWith(".npy")) {
            return files.npy(reference, path + ": " + where + "." + field);
        }
        return files.array(reference)
                .orElseThrow(() ->
                        unreadable(
                                where + "." + field,
                                "'"
                                        + reference
                                        + "' is neither a .npy file nor an array of the archive"
                                        + " that model.source_npz names"));
    }

    private String text(JsonNode entry, String field, String where) {
        JsonNode value = entry.path(field);
        if (!value.isTextual() || value.textValue().isEmpty()) {
            throw unreadable(where + "." + field, "expected a text");
        }
        return value.textValue();
    }

    private List<Long> shape(JsonNode entry, String where) {
        if (!entry.hasNonNull("shape")) {
            return null;
        }
        List<Long> shape = new ArrayList<>();
        for (JsonNode each : entry.path("shape")) {
            shape.add((long) size(each, where + ".shape"));
        }
        return shape;
    }

    /// @return 0 where there is none
    private int size(JsonNode value, String where) {
        if (value.isMissingNode() || value.isNull()) {
            return 0;
        }
        if (!value.isIntegralNumber() || !value.canConvertToInt() || value.intValue() < 0) {
            throw unreadable(where, value + ", expected a size");
        }
        return value.intValue();
    }

    private void put(LooseTensor tensor) {
        LooseTensor other = tensors.putIfAbsent(tensor.name(), tensor);
        if (other != null) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: tensor '%s' is the same one as '%s'"
                            .formatted(path, tensor.key(), other.key()));
        }
    }

    private EngineException unreadable(String field, String why) {
        return new EngineException(
                Reason.SOURCE_UNREADABLE, path + ": field '" + field + "': " + why);
    }

    /// By the file's own names.
    List<LooseTensor> loose() {
        return List.copyOf(tensors.values());
    }

    Arena arena() {
        return files.arena();
    }

    @Override
    public List<SourceTensor> tensors() {
        return List.copyOf(tensors.values());
    }

    @Override
    public Optional<SourceTensor> tensor(String name) {
        return Optional.ofNullable(tensors.get(name));
    }

    @Override
    public Path fileOf(String name) {
        return path;
    }

    /// The manifest or archive first.
    @Override
    public List<Path> files() {
        Set<Path> all = new LinkedHashSet<>();
        all.add(path);
        all.addAll(files.files());
        return List.copyOf(all);
    }

    @Override
    public String readableTypes() {
        return "F32, F16, or codes of 1, 2, 4 or 8 bits";
    }

    @Override
    public boolean isReadable(SourceTensor tensor) {
        return true;
    }

    @Override
    public boolean hasCodes() {
        return true;
    }

    @Override
    public void close() {
        files.close();
    }
}
