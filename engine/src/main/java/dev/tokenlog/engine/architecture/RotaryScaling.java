package dev.tokenlog.engine.architecture;

import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.DoubleUnaryOperator;

/// Rotary inverse frequencies, `theta^(-2i/d)` for pair `i` of `d` dimensions, and what a
/// configuration's scaling makes of them. Two dialects: `rope_theta` with `rope_scaling`, and newer
/// `rope_parameters` that hold both.
final class RotaryScaling {

    private static final String THETA = "rope_theta";

    private RotaryScaling() {}

    static Rotary read(ConfigFields config, Family family, int headSize) {
        Optional<ConfigFields> older = config.object("rope_scaling");
        Optional<ConfigFields> newer = config.object("rope_parameters");
        if (older.isPresent() && newer.isPresent()) {
            throw config.unsupported("rope_scaling", "stands beside rope_parameters");
        }
        Optional<ConfigFields> scaling = newer.or(() -> older);
        double theta = theta(config, scaling, family);
        DoubleUnaryOperator scale =
                scaling.map(fields -> scale(fields, family)).orElse(frequency -> frequency);
        List<Double> frequencies = new ArrayList<>(headSize / 2);
        for (int pair = 0; pair < headSize / 2; pair++) {
            double frequency = 1.0 / StrictMath.pow(theta, 2.0 * pair / headSize);
            frequencies.add(scale.applyAsDouble(frequency));
        }
        return new Rotary(headSize, List.copyOf(frequencies), 1.0);
    }

    /// Beside the scaling, inside it, or in both places alike.
    private static double theta(
            ConfigFields config, Optional<ConfigFields> scaling, Family family) {
        double outer = config.positive(THETA, 0);
        double inner = scaling.map(fields -> fields.positive(THETA, 0)).orElse(0.0);
        if (outer != 0 && inner != 0 && outer != inner) {
            throw config.unreadable(THETA, outer + " beside " + inner + " in the rotary scaling");
        }
        double theta = outer != 0 ? outer : inner;
        return theta != 0 ? theta : family.usualRopeTheta();
    }

    private static DoubleUnaryOperator scale(ConfigFields fields, Family family) {
        Optional<String> typed = fields.text("type");
        Optional<String> ropeTyped = fields.text("rope_type");
        String field = ropeTyped.isPresent() ? "rope_type" : "type";
        String type = ropeTyped.or(() -> typed).orElse("default");
        if (!family.ropeTypes().contains(type)) {
            throw fields.unsupported(
                    field, "'" + type + "': expected one of " + sorted(family.ropeTypes()));
        }
        if (fields.positive("partial_rotary_factor", 1.0) != 1.0) {
            throw fields.unsupported("partial_rotary_factor", "only whole heads are rotated");
        }
        DoubleUnaryOperator scale =
                switch (type) {
                    case "default" -> frequency -> frequency;
                    case "linear" -> linear(fields);
                    case "llama3" -> llama3(fields);
                    default -> throw new IllegalStateException("no formula for " + type);
                };
        for (String rest : fields.unread()) {
            if (!fields.value(rest).isNull()) {
                throw fields.unsupported(rest, "has no meaning for rotary type '" + type + "'");
            }
        }
        return scale;
    }

    /// Positions divided by a factor, which is frequencies divided by it.
    private static DoubleUnaryOperator linear(ConfigFields fields) {
        double factor = fields.positive("factor");
        return frequency -> frequency / factor;
    }

    /// Llama 3.1: long waves are stretched by the factor, short ones kept, those between blended
    /// (transformers, `_compute_llama3_parameters`).
    private static DoubleUnaryOperator llama3(ConfigFields fields) {
        double factor = fields.positive("factor");
        double low = fields.positive("low_freq_factor");
        double high = fields.positive("high_freq_factor");
        int context = fields.integer("original_max_position_embeddings", 1, Integer.MAX_VALUE);
        if (high <= low) {
            throw fields.unreadable("high_freq_factor", "expected more than low_freq_factor");
        }
        return frequency -> {
            double wavelength = 2 * Math.PI / frequency;
            if (wavelength < context / high) {
                return frequency;
            }
            if (wavelength > context / low) {
                return frequency / factor;
            }
            double smooth = (context / wavelength - low) / (high - low);
            return (1 - smooth) * frequency / factor + smooth * frequency;
        };
    }

    private static List<String> sorted(Set<String> names) {
        return names.stream().sorted().toList();
    }
}
