package dev.tokenlog.engine.artifact;

import dev.tokenlog.engine.architecture.PlannedTensor;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;
import dev.tokenlog.engine.format.safetensors.SafetensorsLayout.Declared;
import dev.tokenlog.engine.tensor.DataType;
import dev.tokenlog.engine.tensor.NumberCode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// How an artifact stores a tensor: its codes under the tensor's own name, its scales under
/// `name.scales`, zero points where it has them under `name.zeros`; or, kept in float, its values
/// as F32.
///
/// @param planned name and shape
/// @param quantization `int4-g32`, `int8-row`, …; `f32`
/// @param code null where the tensor is kept in float
/// @param groupSize columns that share a scale; the row's length for one scale per row
record StoredTensor(PlannedTensor planned, String quantization, NumberCode code, int groupSize) {

    static final String FLOAT = "f32";

    private static final Pattern QUANTIZATION =
            Pattern.compile(
                    "(?<code>[a-z0-9]{1,16}(?:-[a-z]{1,16})?)-(?:g(?<group>[0-9]{1,7})|row)");

    /// What a recipe makes of a tensor: norms, biases and routers stay float.
    static StoredTensor by(Recipe recipe, PlannedTensor planned) {
        return by(recipe, planned, null);
    }

    /// @param calibrator may choose another code for a matrix in the layers; null: there is none
    static StoredTensor by(Recipe recipe, PlannedTensor planned, Calibrator calibrator) {
        if (!planned.kind().isQuantizable()) {
            return new StoredTensor(planned, FLOAT, null, 0);
        }
        boolean around = planned.kind() == Kind.EMBEDDING || planned.kind() == Kind.HEAD;
        NumberCode usual = around ? recipe.embeddingCode() : recipe.code();
        NumberCode code = around || calibrator == null ? usual : calibrator.code(planned, usual);
        String label = code.label() + "-" + Recipe.groupLabel(recipe.groupSize());
        return quantized(planned, label, code, recipe.groupSize());
    }

    /// What a manifest says of a tensor; empty where the words do not fit it.
    static Optional<StoredTensor> parse(PlannedTensor planned, String quantization) {
        if (quantization.equals(FLOAT)) {
            return planned.kind().isQuantizable()
                    ? Optional.empty()
                    : Optional.of(new StoredTensor(planned, FLOAT, null, 0));
        }
        Matcher matcher = QUANTIZATION.matcher(quantization);
        if (!planned.kind().isQuantizable() || !matcher.matches()) {
            return Optional.empty();
        }
        String group = matcher.group("group");
        int groupSize = group == null ? Recipe.PER_ROW : Integer.parseInt(group);
        if (group != null && (groupSize == 0 || groupSize % 32 != 0)) {
            return Optional.empty();
        }
        return NumberCode.of(matcher.group("code"))
                .map(code -> quantized(planned, quantization, code, groupSize));
    }

    private static StoredTensor quantized(
            PlannedTensor planned, String label, NumberCode code, int groupSize) {
        int columns = groupSize == Recipe.PER_ROW ? planned.columns() : groupSize;
        return new StoredTensor(planned, label, code, columns);
    }

    boolean isQuantized() {
        return code != null;
    }

    String name() {
        return planned.name();
    }

    String scalesName() {
        return planned.name() + ".scales";
    }

    boolean hasZeroPoints() {
        return isQuantized() && code.hasZeroPoints();
    }

    String zerosName() {
        return planned.name() + ".zeros";
    }

    DataType dtype() {
        if (code == null) {
            return DataType.F32;
        }
        return code == NumberCode.INT8 ? DataType.I8 : DataType.U8;
    }

    int bitWidth() {
        return code == null ? 32 : code.bits();
    }

    int groupsPerRow() {
        return Math.ceilDiv(planned.columns(), groupSize);
    }

    /// Codes, scales and zero points, or values, as they are declared in the file.
    List<Declared> declared() {
        List<Declared> parts = new ArrayList<>();
        if (code == null) {
            parts.add(new Declared(name(), DataType.F32, planned.shape()));
        } else {
            long rows = planned.rows();
            List<Long> groups = List.of(rows, (long) groupsPerRow());
            long rowBytes = code.bytesPerRow(planned.columns());
            parts.add(new Declared(name(), dtype(), List.of(rows, rowBytes)));
            parts.add(new Declared(scalesName(), DataType.F16, groups));
            if (code.hasZeroPoints()) {
                parts.add(new Declared(zerosName(), DataType.U8, groups));
            }
        }
        return parts;
    }

    long bytes() {
        return declared().stream().mapToLong(Declared::bytes).sum();
    }
}
