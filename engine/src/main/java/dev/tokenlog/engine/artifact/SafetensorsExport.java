package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.safetensors.SafetensorsFolder;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout.Declared;
import dev.tokenlog.engine.format.safetensors.SafetensorsWriter;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ObjLongConsumer;
import java.util.stream.Collectors;

/// Writes an artifact as a folder of compressed-tensors, which transformers and vLLM read: codes
/// and scales as they are, under a `quantization_config`; configuration, tokenizer and template
/// files beside them. Nothing is rounded, so that a conversion of the folder by the same recipe
/// gives the artifact's digest again.
///
/// | code | format | tensors |
/// |---|---|---|
/// | `int4`, `int2` | `pack-quantized` | `weight_packed` int32, `weight_scale` float16, `weight_shape` |
/// | `uint4`, `uint2` | `pack-quantized` | also `weight_zero_point`, packed down the rows |
/// | `int8` | `int-quantized` | `weight` int8, `weight_scale` float16 |
/// | `uint8` | `int-quantized` | also `weight_zero_point` int8 |
/// | floats | | float32 |
public final class SafetensorsExport {

    private static final int WORD = 32;
    private static final String WEIGHT = ".weight";

    private final Artifact artifact;

    private SafetensorsExport(Artifact artifact) {
        this.artifact = artifact;
    }

    /// @param folder is made where it is missing; files of the same names are replaced
    /// @return the file with the weights
    /// @throws EngineException `UNSUPPORTED` naming a tensor whose code the form does not hold;
    ///   `STORAGE_FAILED`
    public static Path write(Artifact artifact, Path folder) {
        try {
            return new SafetensorsExport(artifact).write(folder);
        } catch (InternalError mapping) {
            throw Artifact.shortened(artifact.folder(), mapping);
        }
    }

    /// Whether the embedding is the head as well and has another code than the layers: transformers
    /// (5.23 with compressed-tensors 0.20) does not open such a folder.
    public static boolean isTiedAcrossCodes(Artifact artifact) {
        SafetensorsExport export = new SafetensorsExport(artifact);
        return artifact.plan().tiedEmbeddings()
                && !export.schemes(Kind.MATRIX).containsAll(export.schemes(Kind.EMBEDDING));
    }

    private Set<Scheme> schemes(Kind kind) {
        return planned().stream()
                .filter(tensor -> tensor.kind() == kind)
                .map(tensor -> Scheme.of(codes(tensor)))
                .collect(Collectors.toSet());
    }

    private Path write(Path folder) {
        Path file = folder.resolve(SafetensorsFolder.SINGLE);
        Path unfinished = folder.resolve(SafetensorsFolder.SINGLE + ".part");
        byte[] config = config();
        List<Declared> declared = new ArrayList<>();
        planned().forEach(tensor -> declared.addAll(declared(tensor)));
        try {
            Files.createDirectories(folder);
            Files.deleteIfExists(unfinished);
            SafetensorsLayout layout = new SafetensorsLayout(Map.of("format", "pt"), declared);
            try (SafetensorsWriter writer = new SafetensorsWriter(unfinished, layout)) {
                planned().forEach(tensor -> write(tensor, writer));
                writer.sync();
            }
            for (Manifest.FileEntry each : artifact.manifest().files()) {
                if (!each.path().equals(ModelFiles.CONFIG)) {
                    Path to = folder.resolve(each.path());
                    ArtifactStore.createFolder(to.getParent());
                    ArtifactStore.copyDurably(artifact.folder().resolve(each.path()), to);
                }
            }
            ArtifactStore.writeDurably(folder.resolve(ModelFiles.CONFIG), config);
            Files.move(unfinished, file, StandardCopyOption.REPLACE_EXISTING);
            return file;
        } catch (IOException e) {
            throw ArtifactStore.failed(file, e);
        }
    }

    private List<PlannedTensor> planned() {
        return PlannedTensor.of(artifact.plan());
    }

    private Matrix.Quantized codes(PlannedTensor tensor) {
        return (Matrix.Quantized) artifact.matrix(tensor.name());
    }

    /// What matrices of one kind have in common.
    private record Scheme(NumberCode code, int groupSize, boolean rows) {

        static Scheme of(Matrix.Quantized matrix) {
            boolean rows = matrix.groupsPerRow() == 1;
            return new Scheme(matrix.code(), rows ? 0 : matrix.groupSize(), rows);
        }

        boolean packed() {
            return code.bits() < 8;
        }

        String format() {
            return packed() ? "pack-quantized" : "int-quantized";
        }

        void describe(ObjectNode group) {
            group.put("format", format());
            ObjectNode weights = group.putObject("weights");
            weights.put("num_bits", code.bits()).put("type", "int");
            weights.put("symmetric", !code.hasZeroPoints()).put("dynamic", false);
            weights.put("strategy", rows ? "channel" : "group");
            if (rows) {
                weights.putNull("group_size");
            } else {
                weights.put("group_size", groupSize);
            }
            group.putNull("input_activations");
            group.putNull("output_activations");
        }
    }

    private byte[] config() {
        Path file = artifact.folder().resolve(ModelFiles.CONFIG);
        if (StrictJson.object(file).has("text_config")) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    file
                            + ": field 'text_config': the artifact holds the text part alone of a"
                            + " model that has more, and no program would find it under this"
                            + " configuration");
        }
        // Some say null, which is none: the name must not stand there twice.
        byte[] inFloat =
                ConfigText.without(
                        StrictJson.bytes(file), QuantizationConfig.FIELD, file.toString());
        return ConfigText.with(inFloat, QuantizationConfig.FIELD, quantization().toPrettyString());
    }

    private JsonNode quantization() {
        Map<Scheme, List<String>> modules = new LinkedHashMap<>();
        Map<Scheme, Integer> inLayers = new LinkedHashMap<>();
        List<String> ignored = new ArrayList<>();
        for (PlannedTensor tensor : planned()) {
            if (tensor.kind().isQuantizable()) {
                Scheme scheme = Scheme.of(codes(tensor));
                modules.computeIfAbsent(scheme, _ -> new ArrayList<>()).add(module(tensor));
                boolean layer = tensor.kind() != Kind.EMBEDDING && tensor.kind() != Kind.HEAD;
                inLayers.merge(scheme, layer ? 1 : 0, Integer::sum);
            } else if (tensor.kind().isMatrix()) {
                ignored.add(module(tensor));
            }
        }
        if (artifact.plan().tiedEmbeddings()) {
            ignored.add(SkippedTensors.HEAD.replace(WEIGHT, ""));
        }
        Scheme usual =
                inLayers.entrySet().stream()
                        .max(Map.Entry.comparingByValue())
                        .orElseThrow()
                        .getKey();
        ObjectNode stated = StrictJson.MAPPER.createObjectNode();
        stated.put(QuantizationConfig.METHOD, "compressed-tensors");
        boolean one = modules.keySet().stream().map(Scheme::format).distinct().count() == 1;
        stated.put("format", one ? usual.format() : "mixed-precision");
        stated.put("quantization_status", "compressed");
        stated.putNull("kv_cache_scheme");
        ignored.forEach(stated.putArray("ignore")::add);
        ObjectNode groups = stated.putObject("config_groups");
        int number = 0;
        for (Map.Entry<Scheme, List<String>> each : modules.entrySet()) {
            ObjectNode group = groups.putObject("group_" + number++);
            ArrayNode targets = group.putArray("targets");
            // Names win over classes: those of the usual kind need none, except the embedding,
            // which is of another class.
            if (each.getKey().equals(usual)) {
                targets.add("Linear");
                each.getValue().stream()
                        .filter(name -> name.equals(module(planned().getFirst())))
                        .forEach(targets::add);
            } else {
                each.getValue().forEach(targets::add);
            }
            each.getKey().describe(group);
        }
        return stated;
    }

    private static String module(PlannedTensor tensor) {
        if (!tensor.name().endsWith(WEIGHT)) {
            throw unsupported(tensor, "a matrix that is no module's weight");
        }
        return tensor.name().substring(0, tensor.name().length() - WEIGHT.length());
    }

    private static EngineException unsupported(PlannedTensor tensor, String why) {
        return new EngineException(
                Reason.UNSUPPORTED,
                "tensor '%s': compressed-tensors has no form for %s".formatted(tensor.name(), why));
    }

    private static String part(PlannedTensor tensor, String part) {
        return module(tensor) + "." + part;
    }

    private List<Declared> declared(PlannedTensor tensor) {
        if (!tensor.kind().isQuantizable()) {
            return List.of(new Declared(tensor.name(), DataType.F32, tensor.shape()));
        }
        Matrix.Quantized matrix = codes(tensor);
        requireForm(tensor, matrix);
        Scheme scheme = Scheme.of(matrix);
        long rows = matrix.rows();
        List<Long> groups = List.of(rows, (long) matrix.groupsPerRow());
        List<Declared> parts = new ArrayList<>();
        parts.add(new Declared(part(tensor, CompressedCodes.SCALE), DataType.F16, groups));
        if (!scheme.packed()) {
            parts.add(new Declared(tensor.name(), DataType.I8, tensor.shape()));
            if (matrix.zeros() != null) {
                parts.add(new Declared(part(tensor, CompressedCodes.ZERO), DataType.I8, groups));
            }
            return parts;
        }
        int bits = matrix.code().bits();
        long words = Math.ceilDiv((long) matrix.columns() * bits, WORD);
        parts.add(
                new Declared(
                        part(tensor, CompressedCodes.PACKED), DataType.I32, List.of(rows, words)));
        parts.add(new Declared(part(tensor, CompressedCodes.SHAPE), DataType.I64, List.of(2L)));
        if (matrix.zeros() != null) {
            long zeroWords = Math.ceilDiv(rows * bits, WORD);
            parts.add(
                    new Declared(
                            part(tensor, CompressedCodes.ZERO),
                            DataType.I32,
                            List.of(zeroWords, groups.getLast())));
        }
        return parts;
    }

    private static void requireForm(PlannedTensor tensor, Matrix.Quantized matrix) {
        boolean integers =
                switch (matrix.code()) {
                    case INT8, INT4, INT2, UINT8, UINT4, UINT2 -> true;
                    case INT1, TERNARY, QINS8_LOG, QINS9_LOG, QINS8_INV, QINS8_PROJ, QINS4, FP4 ->
                            false;
                };
        if (!integers) {
            throw unsupported(tensor, "codes of " + matrix.code().label());
        }
        if (matrix.groupsPerRow() > 1 && matrix.columns() % matrix.groupSize() != 0) {
            throw unsupported(
                    tensor,
                    "groups of %d in %d columns, of which the last is shorter"
                            .formatted(matrix.groupSize(), matrix.columns()));
        }
    }

    private void write(PlannedTensor tensor, SafetensorsWriter writer) {
        if (tensor.kind().isQuantizable()) {
            write(tensor, codes(tensor), writer);
        } else if (tensor.kind().isMatrix()) {
            Matrix.Float matrix = (Matrix.Float) artifact.matrix(tensor.name());
            copy(matrix.data(), (bytes, at) -> writer.write(tensor.name(), at, bytes));
        } else {
            MemorySegment values = MemorySegment.ofArray(artifact.vector(tensor.name()));
            copy(values, (bytes, at) -> writer.write(tensor.name(), at, bytes));
        }
    }

    private void write(PlannedTensor tensor, Matrix.Quantized matrix, SafetensorsWriter writer) {
        boolean packed = Scheme.of(matrix).packed();
        String name = packed ? part(tensor, CompressedCodes.PACKED) : tensor.name();
        int stored = Math.toIntExact(matrix.bytesPerRow());
        int written =
                packed
                        ? 4 * Math.ceilDiv(matrix.columns() * matrix.code().bits(), WORD)
                        : matrix.columns();
        byte[] row = new byte[written];
        boolean signed = matrix.code() != NumberCode.UINT8;
        for (int r = 0; r < matrix.rows(); r++) {
            MemorySegment.copy(matrix.codes(), JAVA_BYTE, (long) r * stored, row, 0, stored);
            for (int i = 0; !signed && i < written; i++) {
                row[i] -= (byte) 128;
            }
            writer.write(name, (long) r * written, ByteBuffer.wrap(row));
        }
        String scale = part(tensor, CompressedCodes.SCALE);
        copy(matrix.scales(), (bytes, at) -> writer.write(scale, at, bytes));
        if (packed) {
            ByteBuffer shape = ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN);
            shape.putLong(matrix.rows()).putLong(matrix.columns()).flip();
            writer.write(part(tensor, CompressedCodes.SHAPE), 0, shape);
        }
        if (matrix.zeros() != null) {
            byte[] zeros = packed ? packedZeros(matrix) : signedZeros(matrix);
            writer.write(part(tensor, CompressedCodes.ZERO), 0, ByteBuffer.wrap(zeros));
        }
    }

    /// Words that go down the rows, one column of them for each group.
    private static byte[] packedZeros(Matrix.Quantized matrix) {
        int bits = matrix.code().bits();
        int perWord = WORD / bits;
        int groups = matrix.groupsPerRow();
        int[] words = new int[Math.ceilDiv(matrix.rows(), perWord) * groups];
        for (int row = 0; row < matrix.rows(); row++) {
            for (int group = 0; group < groups; group++) {
                int zero = matrix.zeros().get(JAVA_BYTE, (long) row * groups + group) & 0xff;
                words[row / perWord * groups + group] |= zero << row % perWord * bits;
            }
        }
        ByteBuffer bytes = ByteBuffer.allocate(4 * words.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(words);
        return bytes.array();
    }

    private static byte[] signedZeros(Matrix.Quantized matrix) {
        byte[] zeros = matrix.zeros().toArray(JAVA_BYTE);
        for (int i = 0; i < zeros.length; i++) {
            zeros[i] -= (byte) 128;
        }
        return zeros;
    }

    private static void copy(MemorySegment from, ObjLongConsumer<ByteBuffer> to) {
        long piece = 1 << 20;
        for (long at = 0; at < from.byteSize(); at += piece) {
            long bytes = Math.min(piece, from.byteSize() - at);
            byte[] copied = from.asSlice(at, bytes).toArray(JAVA_BYTE);
            to.accept(ByteBuffer.wrap(copied), at);
        }
    }
}
