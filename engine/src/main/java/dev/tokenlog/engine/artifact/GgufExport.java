package dev.tokenlog.engine.artifact;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.format.StrictJson;
import dev.tokenlog.engine.format.gguf.GgufType;
import dev.tokenlog.engine.format.gguf.GgufWriter;
import dev.tokenlog.engine.quantize.Dequantizer;
import dev.tokenlog.engine.quantize.GroupCode;
import dev.tokenlog.engine.tensor.Matrix;
import dev.tokenlog.engine.tensor.NumberCode;
import dev.tokenlog.engine.tokenizer.ModelTokenizer;
import dev.tokenlog.engine.tokenizer.TokenizerSource;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;

/// Writes an artifact as a GGUF file, for llama.cpp and what is built on it: `int4` as Q4_0, `int8`
/// as Q8_0, norms, biases and routers as F32. Codes and scales are moved, nothing is rounded: a
/// scale of a longer group or of a row stands in each of its blocks of 32.
///
/// The file is read again before it gets its name, by the reader that reads other people's files:
/// every value must come back to the bit, the configuration must give the same layer plan, and the
/// tokenizer the same ids for a few texts. What llama.cpp's form has no words for is refused so,
/// rather than lost.
public final class GgufExport {

    private static final int BLOCK = 32;
    private static final Pattern LAYER =
            Pattern.compile(
                    "model\\.layers\\.(?<layer>[0-9]+)\\.(?<module>.+)\\.(?<ending>weight|bias)");
    private static final Pattern EXPERT =
            Pattern.compile("(?<before>.*experts\\.)(?<expert>[0-9]+)(?<after>\\..*)");

    /// Scripts, digits, blanks, marks: where tokenizers differ.
    private static final List<String> TEXTS =
            List.of(
                    "Hello, world! It's 12345.67 o'clock; we'll see.",
                    "  two  spaces\n\n\tand\ttabs \n",
                    "Gr\u00fc\u00dfe, \u00e9t\u00e9, \u041f\u0440\u0438\u0432\u0435\u0442, \u4f60\u597d\u4e16\u754c, \u3053\u3093\u306b\u3061\u306f",
                    "\ud83d\ude00 emoji \ud83d\udc69\u200d\ud83d\ude80, \u0645\u0631\u062d\u0628\u0627, \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35",
                    "def f(x):\n    return x ** 2  # ok?\n",
                    "");

    private final Artifact artifact;
    private final GgufArchitecture architecture;
    private final Optional<GgufType> others;

    private GgufExport(
            Artifact artifact, GgufArchitecture architecture, Optional<GgufType> others) {
        this.artifact = artifact;
        this.architecture = architecture;
        this.others = others;
    }

    /// What was written.
    ///
    /// @param exact whether every value is that of the artifact; false where tensors were converted
    ///   to another type because somebody asked for it
    /// @param converted names of those tensors
    public record Written(Path file, boolean exact, List<String> converted) {}

    /// @param others what becomes of codes that GGUF cannot hold: F32 or F16; empty: they are
    ///   refused by name
    /// @throws EngineException `UNSUPPORTED` naming family, field, tensor or text; `STORAGE_FAILED`
    public static Written write(Artifact artifact, Path file, Optional<GgufType> others) {
        String family = artifact.plan().family();
        GgufArchitecture architecture =
                GgufArchitecture.ofFamily(family)
                        .orElseThrow(() ->
                                new EngineException(
                                        Reason.UNSUPPORTED,
                                        "%s: GGUF export of the family '%s': expected one of %s"
                                                .formatted(
                                                        artifact.folder(),
                                                        family,
                                                        GgufArchitecture.families())));
        try {
            return new GgufExport(artifact, architecture, others).write(file.toAbsolutePath());
        } catch (InternalError mapping) {
            throw Artifact.shortened(artifact.folder(), mapping);
        }
    }

    /// A tensor of the file.
    ///
    /// @param parts one, or the same matrix of every expert
    /// @param headSize rows of a head whose rows change places; 0: none do
    private record Out(
            String name,
            GgufType type,
            List<Long> shape,
            List<PlannedTensor> parts,
            int headSize,
            boolean plusOne) {}

    private Written write(Path file) {
        Path temporary = file.resolveSibling(file.getFileName() + ".part");
        List<Out> tensors = tensors();
        try {
            try (GgufWriter writer = new GgufWriter(temporary)) {
                writeHead(writer, tensors);
                tensors.forEach(tensor -> write(tensor, writer));
                writer.finish();
            }
            List<String> converted = verify(temporary);
            Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
            return new Written(file, converted.isEmpty(), converted);
        } catch (IOException e) {
            throw ArtifactStore.failed(file, e);
        } finally {
            delete(temporary);
        }
    }

    private static void delete(Path temporary) {
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            throw ArtifactStore.failed(temporary, e);
        }
    }

    private void writeHead(GgufWriter writer, List<Out> tensors) {
        Path file = artifact.folder().resolve(ModelFiles.CONFIG);
        JsonNode config = StrictJson.object(file);
        NumberCode code = Recipe.codeOf(artifact.manifest().recipe().code());
        writer.text("general.architecture", architecture.name());
        writer.text("general.type", "model");
        writer.text("general.name", artifact.manifest().model().name());
        writer.whole(
                "general.file_type",
                switch (code) {
                    case INT4 -> 2; // mostly Q4_0
                    case INT8 -> 7; // mostly Q8_0
                    default -> others.orElse(GgufType.F32) == GgufType.F16 ? 1 : 0;
                });
        writer.whole("general.quantization_version", 2);
        writer.text("tokenlog.model_digest", artifact.manifest().modelDigest());
        Map<String, float[]> factors =
                new GgufKeys(file, artifact.plan(), config, architecture, writer).write();
        GgufVocabulary.write(artifact.folder(), writer, artifact.plan().vocabularySize());
        factors.forEach((name, values) ->
                writer.declare(name, GgufType.F32, List.of((long) values.length)));
        tensors.forEach(tensor -> writer.declare(tensor.name(), tensor.type(), tensor.shape()));
        writer.start();
        factors.values().forEach(values -> floats(values, writer));
    }

    private static void floats(float[] values, GgufWriter writer) {
        ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        writer.write(bytes.array(), bytes.capacity());
    }

    private List<Out> tensors() {
        Map<String, List<PlannedTensor>> parts = new LinkedHashMap<>();
        PlannedTensor.of(artifact.plan())
                .forEach(planned ->
                        parts.computeIfAbsent(nameOf(planned), _ -> new ArrayList<>())
                                .add(planned));
        List<Out> tensors = new ArrayList<>();
        parts.forEach((name, list) -> tensors.add(out(name, list)));
        return tensors;
    }

    private String nameOf(PlannedTensor planned) {
        String name = planned.name();
        Matcher layer = LAYER.matcher(name);
        if (!layer.matches()) {
            return GgufWeights.around(name)
                    .orElseThrow(() -> unsupported(name, "has no name in GGUF"));
        }
        Matcher expert = EXPERT.matcher(layer.group("module"));
        String module =
                expert.matches()
                        ? expert.group("before") + "{expert}" + expert.group("after")
                        : layer.group("module");
        String role =
                architecture.tensors().entrySet().stream()
                        .filter(entry -> entry.getValue().equals(module))
                        .map(Map.Entry::getKey)
                        .findFirst()
                        .orElseThrow(() -> unsupported(name, "has no name in GGUF"));
        return "blk." + layer.group("layer") + "." + role + "." + layer.group("ending");
    }

    private Out out(String name, List<PlannedTensor> parts) {
        PlannedTensor first = parts.getFirst();
        List<Long> shape = new ArrayList<>(first.shape());
        if (parts.size() > 1 || name.contains("_exps.")) {
            shape.addFirst((long) parts.size());
        }
        boolean rotated = architecture.interleaved() && name.matches("blk\\..*\\.attn_[qk]\\..*");
        boolean plusOne = architecture.unitOffsetNorms() && first.kind() == PlannedTensor.Kind.NORM;
        int headSize = artifact.plan().layers().getFirst().attention().headSize();
        return new Out(name, type(first), shape, parts, rotated ? headSize : 0, plusOne);
    }

    private GgufType type(PlannedTensor planned) {
        if (!planned.kind().isQuantizable()) {
            return GgufType.F32;
        }
        Matrix.Quantized matrix = (Matrix.Quantized) artifact.matrix(planned.name());
        boolean blocks =
                matrix.columns() % BLOCK == 0
                        && (matrix.groupSize() % BLOCK == 0 || matrix.groupsPerRow() == 1);
        if (blocks && matrix.code() == NumberCode.INT4) {
            return GgufType.Q4_0;
        }
        if (blocks && matrix.code() == NumberCode.INT8) {
            return GgufType.Q8_0;
        }
        return others.orElseThrow(() ->
                unsupported(
                        planned.name(),
                        "%s of %d columns: GGUF holds int4 and int8 in blocks of %d; --other-codes f32 or f16 converts such tensors"
                                .formatted(matrix.code().label(), matrix.columns(), BLOCK)));
    }

    private void write(Out out, GgufWriter writer) {
        for (PlannedTensor part : out.parts()) {
            if (!part.kind().isMatrix()) {
                vector(part, out, writer);
                continue;
            }
            Matrix matrix = artifact.matrix(part.name());
            Row row = new Row(matrix, out.type());
            for (int place = 0; place < part.rows(); place++) {
                byte[] bytes = row.bytes(hubRow(place, out.headSize()));
                writer.write(bytes, bytes.length);
            }
        }
    }

    private void vector(PlannedTensor part, Out out, GgufWriter writer) {
        float[] values = artifact.vector(part.name());
        float[] moved = new float[values.length];
        for (int place = 0; place < values.length; place++) {
            float value = values[hubRow(place, out.headSize())];
            moved[place] = out.plusOne() ? 1 + value : value;
        }
        floats(moved, writer);
    }

    /// Which row of the hub stands at a place of the file: the way back of [GgufSourceTensor].
    private static int hubRow(int place, int headSize) {
        if (headSize == 0) {
            return place;
        }
        int within = place % headSize;
        return place - within + within % 2 * (headSize / 2) + within / 2;
    }

    /// Rows of a matrix in the form of the file.
    private static final class Row {

        private final Matrix matrix;
        private final GgufType type;
        private final float[] values;
        private final short[] q;

        Row(Matrix matrix, GgufType type) {
            this.matrix = matrix;
            this.type = type;
            this.values = new float[matrix.columns()];
            this.q = new short[matrix.columns()];
        }

        byte[] bytes(int row) {
            boolean blocks = type == GgufType.Q4_0 || type == GgufType.Q8_0;
            return blocks ? blocks((Matrix.Quantized) matrix, row) : plain(row);
        }

        private byte[] plain(int row) {
            Dequantizer.row(matrix, row, values);
            int size = type == GgufType.F16 ? 2 : 4;
            ByteBuffer bytes =
                    ByteBuffer.allocate(size * values.length).order(ByteOrder.LITTLE_ENDIAN);
            for (float value : values) {
                if (size == 2) {
                    bytes.putShort(Float.floatToFloat16(value));
                } else {
                    bytes.putFloat(value);
                }
            }
            return bytes.array();
        }

        private byte[] blocks(Matrix.Quantized codes, int row) {
            byte[] packed = new byte[Math.toIntExact(codes.bytesPerRow())];
            MemorySegment.copy(
                    codes.codes(), JAVA_BYTE, row * codes.bytesPerRow(), packed, 0, packed.length);
            GroupCode.of(codes.code()).unpack(packed, 0, q.length, q);
            int count = q.length / BLOCK;
            ByteBuffer bytes = ByteBuffer.allocate(count * type.blockBytes());
            for (int block = 0; block < count; block++) {
                int group = block * BLOCK / codes.groupSize();
                long scale = 2 * ((long) row * codes.groupsPerRow() + group);
                bytes.put(codes.scales().get(JAVA_BYTE, scale));
                bytes.put(codes.scales().get(JAVA_BYTE, scale + 1));
                integers(block * BLOCK, bytes);
            }
            return bytes.array();
        }

        /// Q4_0: element i in the low half of byte i, element i + 16 in the high half.
        private void integers(int from, ByteBuffer bytes) {
            if (type == GgufType.Q8_0) {
                for (int i = 0; i < BLOCK; i++) {
                    bytes.put((byte) q[from + i]);
                }
                return;
            }
            for (int i = 0; i < BLOCK / 2; i++) {
                int low = q[from + i] + 8;
                int high = q[from + i + BLOCK / 2] + 8;
                bytes.put((byte) (low | high << 4));
            }
        }
    }

    /// Reads the file as anybody's.
    ///
    /// @return tensors that were converted, so that their values may differ
    private List<String> verify(Path file) {
        List<String> converted = new ArrayList<>();
        try (SourceModel again = reopen(file)) {
            requireSamePlan(again.plan());
            for (PlannedTensor planned : PlannedTensor.of(artifact.plan())) {
                String type = again.tensor(planned.name()).type();
                boolean wasConverted =
                        planned.kind().isQuantizable()
                                && !type.equals("Q4_0")
                                && !type.equals("Q8_0");
                if (wasConverted) {
                    converted.add(planned.name());
                }
                if (!type.equals("F16")) {
                    requireSameValues(planned, again);
                }
            }
            if (TokenizerSource.isIn(artifact.folder())) {
                requireSameTokens(again.folder());
            }
        }
        return converted;
    }

    private SourceModel reopen(Path file) {
        try {
            return SourceModel.open(file);
        } catch (EngineException e) {
            throw new EngineException(
                    Reason.UNSUPPORTED,
                    "%s: GGUF's form of '%s' does not hold this model: read again, %s"
                            .formatted(
                                    artifact.folder().resolve(ModelFiles.CONFIG),
                                    architecture.name(),
                                    e.getMessage()),
                    e);
        }
    }

    private void requireSameValues(PlannedTensor planned, SourceModel again) {
        String name = planned.name();
        boolean same = true;
        if (planned.kind().isMatrix()) {
            Matrix matrix = artifact.matrix(name);
            SourceTensor tensor = again.tensor(name);
            float[] was = new float[matrix.columns()];
            float[] is = new float[matrix.columns()];
            for (int row = 0; row < matrix.rows() && same; row++) {
                Dequantizer.row(matrix, row, was);
                tensor.row(row, is);
                same = Arrays.equals(was, is);
            }
        } else {
            float[] was = artifact.vector(name);
            float[] is = again.vector(name);
            for (int i = 0; i < was.length; i++) {
                // Norms that are stored as 1 + w are multiplied by 1 + w: that must come back.
                boolean offset =
                        architecture.unitOffsetNorms() && planned.kind() == PlannedTensor.Kind.NORM;
                same &= offset ? 1 + was[i] == 1 + is[i] : was[i] == is[i];
            }
        }
        if (!same) {
            throw unsupported(name, "has other values when it is read again");
        }
    }

    /// The same but for the family's name, which some architectures share, and for rotary
    /// frequencies, which files hold as factors of 32 bits.
    private void requireSamePlan(ModelPlan found) {
        ModelPlan plan = artifact.plan();
        boolean same =
                near(plan.rotary(), found.rotary())
                        && plan.otherRotaries().size() == found.otherRotaries().size();
        for (int i = 0; i < plan.otherRotaries().size() && same; i++) {
            same = near(plan.otherRotaries().get(i), found.otherRotaries().get(i));
        }
        if (!same) {
            throw otherPlan("rotary", "other frequencies");
        }
        JsonNode was = tree(alike(plan, plan));
        JsonNode is = tree(alike(found, plan));
        difference("", was, is)
                .ifPresent(place -> {
                    JsonNode value = is.at(place);
                    throw otherPlan(place.substring(1), was.at(place) + " becomes " + value);
                });
    }

    private static JsonNode tree(ModelPlan plan) {
        try {
            return StrictJson.MAPPER.readTree(Digests.canonical(plan));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("our own JSON cannot be read", e);
        }
    }

    /// Where two trees differ first.
    private static Optional<String> difference(String place, JsonNode was, JsonNode is) {
        if (was.equals(is)) {
            return Optional.empty();
        }
        if (was.isObject() && is.isObject()) {
            Set<String> names = new TreeSet<>();
            was.fieldNames().forEachRemaining(names::add);
            is.fieldNames().forEachRemaining(names::add);
            return names.stream()
                    .flatMap(name ->
                            difference(place + "/" + name, was.path(name), is.path(name)).stream())
                    .findFirst();
        }
        if (was.isArray() && was.size() == is.size()) {
            return IntStream.range(0, was.size())
                    .boxed()
                    .flatMap(i -> difference(place + "/" + i, was.get(i), is.get(i)).stream())
                    .findFirst();
        }
        return Optional.of(place);
    }

    private EngineException otherPlan(String place, String difference) {
        return new EngineException(
                Reason.UNSUPPORTED,
                "%s: GGUF's keys for '%s' do not say what this configuration asks for: read again, %s: %s"
                        .formatted(
                                artifact.folder().resolve(ModelFiles.CONFIG),
                                architecture.name(),
                                place,
                                difference));
    }

    private static ModelPlan alike(ModelPlan plan, ModelPlan as) {
        return new ModelPlan(
                as.family(),
                plan.vocabularySize(),
                plan.hiddenSize(),
                plan.contextLength(),
                plan.embeddingScale(),
                plan.layers(),
                as.rotary(),
                plan.finalNormEpsilon(),
                plan.tiedEmbeddings(),
                plan.embeddingTensor(),
                plan.finalNormTensor(),
                plan.headTensor(),
                as.otherRotaries(),
                plan.unitOffsetNorms(),
                plan.residualMultiplier(),
                plan.logitMultiplier(),
                plan.logitSoftCap());
    }

    private static boolean near(Rotary one, Rotary other) {
        return one.dimensions() == other.dimensions()
                && near(one.inverseFrequencies(), other.inverseFrequencies())
                && near(one.attentionFactor(), other.attentionFactor())
                && (one.longInverseFrequencies().isEmpty()
                        || one.originalContext() == other.originalContext()
                                && near(
                                        one.longInverseFrequencies(),
                                        other.longInverseFrequencies()))
                && one.dynamicBase() == other.dynamicBase()
                && one.dynamicFactor() == other.dynamicFactor();
    }

    private static boolean near(List<Double> one, List<Double> other) {
        boolean near = one.size() == other.size();
        for (int i = 0; i < one.size() && near; i++) {
            near = near(one.get(i), other.get(i));
        }
        return near;
    }

    private static boolean near(double one, double other) {
        return Math.abs(one - other) <= 1e-6 * Math.abs(one);
    }

    private void requireSameTokens(Path folder) {
        try (ModelTokenizer ours = ModelTokenizer.open(artifact.folder());
                ModelTokenizer theirs = ModelTokenizer.open(folder)) {
            if (!theirs.endOfSequence().containsAll(ours.endOfSequence())) {
                throw unsupported(
                        "tokenizer",
                        "ends a sequence with %s, but GGUF's keys say %s"
                                .formatted(ours.endOfSequence(), theirs.endOfSequence()));
            }
            for (String text : TEXTS) {
                for (boolean special : new boolean[] {false, true}) {
                    if (!Arrays.equals(ours.encode(text, special), theirs.encode(text, special))) {
                        throw unsupported(
                                "tokenizer", "read again, it gives other ids for '" + text + "'");
                    }
                }
            }
        }
    }

    private EngineException unsupported(String what, String why) {
        return new EngineException(
                Reason.UNSUPPORTED, artifact.folder() + ": '" + what + "': " + why);
    }
}
