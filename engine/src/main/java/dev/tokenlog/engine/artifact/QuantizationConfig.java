package dev.tokenlog.engine.artifact;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;

/// What the field `quantization_config` of a `config.json` says of the weights beside it: which
/// program quantized them, and how they are laid out. What it asks for and nobody here can read is
/// refused by the name of the field.
///
/// @param file names the configuration in errors
record QuantizationConfig(Method method, JsonNode fields, Path file) {

    static final String FIELD = "quantization_config";
    static final String METHOD = "quant_method";
    private static final String CHECKPOINT_FORMAT = "checkpoint_format";
    private static final String FORMAT = "format";
    private static final String GPTQ_V2 = "gptq_v2";

    /// Programs whose files are read, by the names that they go by.
    enum Method {
        GPTQ,
        AWQ,
        COMPRESSED_TENSORS,
        FP8,
        FBGEMM_FP8;

        String label() {
            return this == COMPRESSED_TENSORS
                    ? "compressed-tensors"
                    : name().toLowerCase(Locale.ROOT);
        }
    }

    /// Formats of compressed-tensors; `dense` and a missing one leave weights as they are.
    private static final List<String> FORMATS =
            List.of(
                    "pack-quantized",
                    "int-quantized",
                    "naive-quantized",
                    "float-quantized",
                    "mixed-precision",
                    "dense");

    /// @param config a whole `config.json`
    static Optional<QuantizationConfig> of(JsonNode config, Path file) {
        JsonNode stated = config.path(FIELD);
        if (stated.isMissingNode() || stated.isNull()) {
            return Optional.empty();
        }
        if (!stated.isObject()) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE, file + ": field '" + FIELD + "': expected an object");
        }
        String name = stated.path(METHOD).asText("");
        Method method =
                Arrays.stream(Method.values())
                        .filter(each -> each.label().equals(name))
                        .findFirst()
                        .orElseThrow(() -> unknown(file, name));
        QuantizationConfig read = new QuantizationConfig(method, stated, file);
        read.check();
        return Optional.of(read);
    }

    private static EngineException unknown(Path file, String method) {
        return new EngineException(
                Reason.UNSUPPORTED,
                "%s: field '%s.%s': '%s', expected one of %s"
                        .formatted(
                                file,
                                FIELD,
                                METHOD,
                                method,
                                Arrays.stream(Method.values())
                                        .map(Method::label)
                                        .collect(Collectors.joining(", "))));
    }

    /// The configuration of the same model in float.
    static JsonNode without(JsonNode config) {
        ObjectNode rest = ((ObjectNode) config).deepCopy();
        rest.remove(FIELD);
        return rest;
    }

    private void check() {
        switch (method) {
            case GPTQ -> {
                requireOneOf(CHECKPOINT_FORMAT, "gptq", GPTQ_V2);
                requireOneOf(FORMAT, "gptq", GPTQ_V2);
                JsonNode format = fields.path(FORMAT);
                if (!isEmpty(format) && !isEmpty(fields.path(CHECKPOINT_FORMAT))) {
                    requireOneOf(CHECKPOINT_FORMAT, format.asText().toLowerCase(Locale.ROOT));
                }
                requireOneOf("pack_dtype", "int32");
                if (fields.path("is_marlin_format").asBoolean(false)) {
                    throw unsupported("is_marlin_format", "true: expected the usual order");
                }
                groupSize();
            }
            case AWQ -> {
                requireOneOf("version", "gemm");
                requireOneOf("format", "gemm");
                groupSize();
            }
            case COMPRESSED_TENSORS -> checkCompressed();
            case FP8, FBGEMM_FP8 -> requireOneOf("fmt", "e4m3");
        }
    }

    private void checkCompressed() {
        requireOneOf("format", FORMATS.toArray(String[]::new));
        refuse("kv_cache_scheme");
        refuse("transform_config");
        JsonNode sparsity = fields.path("sparsity_config").path("format");
        if (!sparsity.asText("dense").equals("dense")) {
            throw unsupported("sparsity_config.format", shown(sparsity) + ": expected dense");
        }
        for (JsonNode group : fields.path("config_groups")) {
            if (!isEmpty(group.path("output_activations"))) {
                throw unsupported(
                        "config_groups.output_activations", "the engine has no such rounding");
            }
            JsonNode format = group.path("format");
            if (!isEmpty(format) && !FORMATS.contains(format.asText())) {
                throw unsupported(
                        "config_groups.format", shown(format) + ": expected one of " + FORMATS);
            }
        }
    }

    /// What its groups say of weights.
    List<JsonNode> weightSchemes() {
        return StreamSupport.stream(fields.path("config_groups").spliterator(), false)
                .map(group -> group.path("weights"))
                .filter(JsonNode::isObject)
                .toList();
    }

    /// Columns that share a scale, as it is stated for the whole model; −1: all of a row.
    int groupSize() {
        JsonNode stated = fields.path("group_size");
        JsonNode size = stated.isMissingNode() ? fields.path("q_group_size") : stated;
        if (!size.canConvertToInt()
                || !size.isIntegralNumber()
                || size.intValue() != -1 && size.intValue() < 1) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: field '%s.group_size': %s, expected -1 or a size"
                            .formatted(file, FIELD, shown(size)));
        }
        return size.intValue();
    }

    /// Whether zero points are stored less 1, as the first format of GPTQ has them.
    boolean zeroPointsLackOne() {
        String format = fields.path(CHECKPOINT_FORMAT).asText(fields.path(FORMAT).asText(""));
        return !format.equalsIgnoreCase(GPTQ_V2);
    }

    /// Rows and columns that share a scale of 8-bit floats; empty: whole rows or all.
    Optional<int[]> blocks() {
        JsonNode stated = fields.path("weight_block_size");
        if (isEmpty(stated)) {
            stated =
                    weightSchemes().stream()
                            .map(scheme -> scheme.path("block_structure"))
                            .filter(each -> !isEmpty(each))
                            .findFirst()
                            .orElse(stated);
        }
        if (isEmpty(stated)) {
            return Optional.empty();
        }
        int rows = stated.path(0).asInt(0);
        int columns = stated.path(1).asInt(0);
        if (!stated.isArray() || stated.size() != 2 || rows < 1 || columns < 1) {
            throw new EngineException(
                    Reason.SOURCE_UNREADABLE,
                    "%s: field '%s': blocks of %s, expected two sizes"
                            .formatted(file, FIELD, shown(stated)));
        }
        return Optional.of(new int[] {rows, columns});
    }

    private void requireOneOf(String field, String... expected) {
        JsonNode value = fields.path(field);
        if (!isEmpty(value)
                && !Arrays.asList(expected).contains(value.asText().toLowerCase(Locale.ROOT))) {
            throw unsupported(
                    field, shown(value) + ": expected one of " + String.join(", ", expected));
        }
    }

    private void refuse(String field) {
        if (!isEmpty(fields.path(field))) {
            throw unsupported(
                    field, shown(fields.path(field)) + " asks for what the engine does not do");
        }
    }

    private static boolean isEmpty(JsonNode value) {
        return value.isMissingNode()
                || value.isNull()
                || value.isContainerNode() && value.isEmpty();
    }

    private static String shown(JsonNode value) {
        String text = value.toString();
        return text.length() > 80 ? text.substring(0, 80) + "…" : text;
    }

    private EngineException unsupported(String field, String why) {
        return new EngineException(
                Reason.UNSUPPORTED, "%s: field '%s.%s': %s".formatted(file, FIELD, field, why));
    }
}
