package dev.tokenlog.engine.architecture;

import com.fasterxml.jackson.databind.JsonNode;
import dev.tokenlog.engine.architecture.Family.Trait;
import dev.tokenlog.engine.architecture.ModelPlan.Rotary;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.DoubleUnaryOperator;
import java.util.function.IntToDoubleFunction;

/// Rotary inverse frequencies, `theta^(-2i/d)` for pair `i` of `d` dimensions, and what a
/// configuration's scaling makes of them. Two dialects: `rope_theta` with `rope_scaling`, and newer
/// `rope_parameters` that hold both, possibly for each layer type. The formulas are those of
/// `modeling_rope_utils` in Hugging Face transformers, in double.
final class RotaryScaling {

    /// A rotary, and how many positions it makes usable.
    ///
    /// @param context 0: as many as the configuration says
    record Scaled(Rotary rotary, int context) {}

    private static final String OLDER = "rope_scaling";
    private static final String NEWER = "rope_parameters";
    private static final String THETA = "rope_theta";
    private static final String PARTIAL = "partial_rotary_factor";
    private static final String ORIGINAL = "original_max_position_embeddings";

    /// A position times this is still far from overflow.
    private static final double MAX_FREQUENCY = 1e9;

    /// Beyond it, no text is as long as the context would be.
    private static final double MAX_FACTOR = 1 << 20;

    private final ConfigFields config;
    private final Family family;
    private final int headSize;
    private final int context;

    /// @param context `max_position_embeddings`
    RotaryScaling(ConfigFields config, Family family, int headSize, int context) {
        this.config = config;
        this.family = family;
        this.headSize = headSize;
        this.context = context;
    }

    /// One rotary for all layers.
    Scaled read() {
        Optional<ConfigFields> older = config.object(OLDER);
        Optional<ConfigFields> newer = config.object(NEWER);
        refuseBoth(older, newer);
        return read(newer.or(() -> older), THETA);
    }

    /// The rotaries of layers with full attention, and of those with a window: scaling is for the
    /// former.
    List<Scaled> readByLayerType() {
        Optional<ConfigFields> older = config.object(OLDER);
        Optional<ConfigFields> newer = config.object(NEWER);
        refuseBoth(older, newer);
        if (newer.isEmpty()) {
            older.ifPresent(RotaryScaling::refuseOldName);
            return List.of(read(older, THETA), read(Optional.empty(), "rope_local_base_freq"));
        }
        Optional<ConfigFields> full = newer.get().object("full_attention");
        Optional<ConfigFields> sliding = newer.get().object("sliding_attention");
        refuseUnread(newer.get(), "expected full_attention and sliding_attention");
        return List.of(read(full, THETA), read(sliding, "rope_local_base_freq"));
    }

    /// Versions of transformers disagree on whether `type` counts here when `rope_type` is missing.
    private static void refuseOldName(ConfigFields scaling) {
        if (scaling.has("type") && !scaling.has("rope_type")) {
            throw scaling.unsupported(
                    "type", "means something or nothing in this family; expected rope_type");
        }
    }

    private void refuseBoth(Optional<ConfigFields> older, Optional<ConfigFields> newer) {
        if (older.isPresent() && newer.isPresent()) {
            throw config.unsupported(OLDER, "stands beside " + NEWER);
        }
    }

    private Scaled read(Optional<ConfigFields> scaling, String thetaField) {
        double theta = theta(scaling, thetaField);
        int dimensions = dimensions(scaling);
        config.integer(ORIGINAL, 1, Integer.MAX_VALUE, 0);
        Scaled scaled =
                scaling.isPresent()
                        ? scaled(scaling.get(), dimensions, theta)
                        : new Scaled(plain(dimensions, theta, frequency -> frequency), 0);
        check(scaled, scaling, theta, thetaField);
        return scaled;
    }

    /// Whatever the numbers were: each frequency turns, and each angle is one.
    private void check(
            Scaled scaled, Optional<ConfigFields> scaling, double theta, String thetaField) {
        Rotary rotary = scaled.rotary();
        List<Double> frequencies = new ArrayList<>(rotary.inverseFrequencies());
        frequencies.addAll(rotary.longInverseFrequencies());
        for (double frequency : frequencies) {
            if (!(frequency >= Double.MIN_NORMAL && frequency <= MAX_FREQUENCY)) {
                throw config.unreadable(
                        scaling.isPresent() ? config.states(NEWER) ? NEWER : OLDER : thetaField,
                        "gives a frequency of " + frequency + " with a base of " + theta);
            }
        }
        float attention = (float) rotary.attentionFactor();
        if (!(attention >= Float.MIN_NORMAL && attention <= Float.MAX_VALUE)) {
            throw config.unreadable(
                    config.states(NEWER) ? NEWER : OLDER,
                    "gives an attention factor of " + rotary.attentionFactor());
        }
    }

    private Scaled scaled(ConfigFields fields, int dimensions, double theta) {
        String type = type(fields);
        Scaled scaled =
                switch (type) {
                    case "default" ->
                            new Scaled(plain(dimensions, theta, frequency -> frequency), 0);
                    case "linear" -> new Scaled(plain(dimensions, theta, linear(fields)), 0);
                    case "llama3" -> new Scaled(plain(dimensions, theta, llama3(fields)), 0);
                    case "dynamic" -> dynamic(fields, dimensions, theta);
                    case "yarn" -> yarn(fields, dimensions, theta);
                    case "longrope" -> longrope(fields, dimensions, theta);
                    default -> throw new IllegalStateException("no formula for " + type);
                };
        refuseUnread(fields, "has no meaning for rotary type '" + type + "'");
        return scaled;
    }

    private static void refuseUnread(ConfigFields fields, String why) {
        for (String rest : fields.unread()) {
            if (!fields.value(rest).isNull()) {
                throw fields.unsupported(rest, why);
            }
        }
    }

    /// Beside the scaling, inside it, or in both places alike.
    private double theta(Optional<ConfigFields> scaling, String field) {
        double usual = config.positive(field, 10_000);
        double inner = scaling.map(fields -> fields.positive(THETA, 0)).orElse(0.0);
        if (inner == 0) {
            return base(config, field, usual);
        }
        if (config.gives(field) && usual != inner) {
            throw config.unreadable(field, usual + " beside " + inner + " in the rotary scaling");
        }
        return base(scaling.orElseThrow(), THETA, inner);
    }

    private static double base(ConfigFields fields, String field, double theta) {
        if (theta <= 1) {
            throw fields.unreadable(field, "expected a base above 1, found " + theta);
        }
        return theta;
    }

    private String type(ConfigFields fields) {
        Optional<String> older = fields.text("type").map(RotaryScaling::newName);
        Optional<String> newer = fields.text("rope_type").map(RotaryScaling::newName);
        if (older.isPresent() && newer.isPresent() && !older.equals(newer)) {
            throw fields.unreadable(
                    "rope_type", newer.get() + " beside " + older.get() + " in 'type'");
        }
        String type = newer.or(() -> older).orElse("default");
        if (!family.ropeTypes().contains(type)) {
            throw fields.unsupported(
                    newer.isPresent() ? "rope_type" : "type",
                    "'" + type + "': expected one of " + sorted(family.ropeTypes()));
        }
        return type;
    }

    /// Before it had its name, longrope was called after its authors' function.
    private static String newName(String type) {
        return type.equals("su") ? "longrope" : type;
    }

    private int dimensions(Optional<ConfigFields> scaling) {
        ConfigFields where = scaling.filter(fields -> fields.has(PARTIAL)).orElse(config);
        double outer = config.positive(PARTIAL, 1);
        double part = where.positive(PARTIAL, 1);
        if (config.gives(PARTIAL) && outer != part) {
            throw config.unreadable(PARTIAL, outer + " beside " + part + " in the rotary scaling");
        }
        if (part != 1 && !family.has(Trait.PARTIAL_ROTARY)) {
            throw where.unsupported(PARTIAL, family.modelType() + " rotates whole heads");
        }
        if (part > 1) {
            throw where.unreadable(PARTIAL, "expected at most 1, found " + part);
        }
        int dimensions = (int) (headSize * part);
        if (dimensions < 2 || dimensions % 2 != 0) {
            throw where.unreadable(
                    PARTIAL,
                    "%s of heads of %d gives %d dimensions: expected an even number"
                            .formatted(part, headSize, dimensions));
        }
        return dimensions;
    }

    /// `1 / theta^(2i/d)` for all pairs, and what a scaling makes of each.
    private static Rotary plain(int dimensions, double theta, DoubleUnaryOperator scale) {
        List<Double> frequencies =
                frequencies(
                        dimensions,
                        pair -> scale.applyAsDouble(1 / power(theta, pair, dimensions)));
        return new Rotary(dimensions, frequencies, 1);
    }

    private static List<Double> frequencies(int dimensions, IntToDoubleFunction frequency) {
        List<Double> frequencies = new ArrayList<>(dimensions / 2);
        for (int pair = 0; pair < dimensions / 2; pair++) {
            frequencies.add(frequency.applyAsDouble(pair));
        }
        return frequencies;
    }

    private static double power(double theta, int pair, int dimensions) {
        return StrictMath.pow(theta, 2.0 * pair / dimensions);
    }

    private static double factor(ConfigFields fields) {
        double factor = fields.positive("factor");
        if (factor > MAX_FACTOR) {
            throw fields.unreadable(
                    "factor", "expected at most " + (int) MAX_FACTOR + ", found " + factor);
        }
        return factor;
    }

    /// Positions divided by a factor, which is frequencies divided by it.
    private static DoubleUnaryOperator linear(ConfigFields fields) {
        double factor = factor(fields);
        return frequency -> frequency / factor;
    }

    /// Llama 3.1: long waves are stretched by the factor, short ones kept, those between blended.
    private DoubleUnaryOperator llama3(ConfigFields fields) {
        double factor = factor(fields);
        double low = fields.positive("low_freq_factor");
        double high = fields.positive("high_freq_factor");
        int original = original(fields);
        if (high <= low) {
            throw fields.unreadable("high_freq_factor", "expected more than low_freq_factor");
        }
        return frequency -> {
            double wavelength = 2 * Math.PI / frequency;
            if (wavelength < original / high) {
                return frequency;
            }
            if (wavelength > original / low) {
                return frequency / factor;
            }
            double smooth = (original / wavelength - low) / (high - low);
            return (1 - smooth) * frequency / factor + smooth * frequency;
        };
    }

    /// NTK: theta grows with the text once it is longer than the original context, here
    /// `max_position_embeddings`.
    private Scaled dynamic(ConfigFields fields, int dimensions, double theta) {
        double factor = factor(fields);
        if (factor < 1) {
            throw fields.unreadable("factor", "expected at least 1, found " + factor);
        }
        if (fields.integer(ORIGINAL, 1, Integer.MAX_VALUE, context) != context) {
            throw fields.unsupported(ORIGINAL, "expected max_position_embeddings, " + context);
        }
        if (dimensions < 4) {
            throw fields.unsupported("type", "'dynamic' needs heads of at least 4 channels");
        }
        Rotary usual = plain(dimensions, theta, frequency -> frequency);
        Rotary rotary =
                new Rotary(
                        dimensions,
                        usual.inverseFrequencies(),
                        1,
                        context,
                        List.of(),
                        theta,
                        factor);
        return new Scaled(rotary, stretched(context, factor));
    }

    /// YaRN: frequencies that turn often within the original context are kept, slow ones divided by
    /// the factor, those between blended; scores grow a little.
    private Scaled yarn(ConfigFields fields, int dimensions, double theta) {
        int original = original(fields);
        double factor = fields.has("factor") ? factor(fields) : (double) context / original;
        // Says how the model was trained, and nothing about what is to be computed.
        fields.any("finetuned");
        double fast = fields.positive("beta_fast", 32);
        double slow = fields.positive("beta_slow", 1);
        boolean truncate = fields.flag("truncate", true);
        double mscale = fields.positive("mscale", 0);
        double mscaleAll = fields.positive("mscale_all_dim", 0);
        double attention =
                mscale != 0 && mscaleAll != 0
                        ? growth(factor, mscale) / growth(factor, mscaleAll)
                        : growth(factor, 1);
        double low = turning(fast, dimensions, theta, original);
        double high = turning(slow, dimensions, theta, original);
        double from = Math.max(truncate ? Math.floor(low) : low, 0);
        double to = Math.min(truncate ? Math.ceil(high) : high, dimensions - 1);
        double width = from == to ? 0.001 : to - from;
        List<Double> frequencies =
                frequencies(
                        dimensions,
                        pair -> {
                            double kept = 1 / power(theta, pair, dimensions);
                            double ramp = Math.clamp((pair - from) / width, 0, 1);
                            return kept / factor * ramp + kept * (1 - ramp);
                        });
        Rotary rotary =
                new Rotary(dimensions, frequencies, fields.positive("attention_factor", attention));
        return new Scaled(rotary, stretched(original, factor));
    }

    /// The pair (not whole) that turns so many times within the original context.
    private static double turning(double turns, int dimensions, double theta, int original) {
        return dimensions
                * StrictMath.log(original / (turns * 2 * Math.PI))
                / (2 * StrictMath.log(theta));
    }

    private static double growth(double factor, double mscale) {
        return factor <= 1 ? 1 : 0.1 * mscale * StrictMath.log(factor) + 1;
    }

    /// Each frequency divided by a factor of its own: one list for texts within the original
    /// context, one for longer ones.
    private Scaled longrope(ConfigFields fields, int dimensions, double theta) {
        int original = original(fields);
        double factor = fields.has("factor") ? factor(fields) : (double) context / original;
        double attention =
                factor <= 1 || original < 2
                        ? 1
                        : StrictMath.sqrt(1 + StrictMath.log(factor) / StrictMath.log(original));
        double[] shortFactors = factors(fields, "short_factor", dimensions / 2);
        double[] longFactors = factors(fields, "long_factor", dimensions / 2);
        Rotary rotary =
                new Rotary(
                        dimensions,
                        divided(shortFactors, dimensions, theta),
                        fields.positive("attention_factor", attention),
                        original,
                        divided(longFactors, dimensions, theta),
                        0,
                        0);
        return new Scaled(rotary, 0);
    }

    private static List<Double> divided(double[] factors, int dimensions, double theta) {
        return frequencies(
                dimensions, pair -> 1 / (factors[pair] * power(theta, pair, dimensions)));
    }

    private static double[] factors(ConfigFields fields, String field, int count) {
        JsonNode list = fields.any(field).orElseThrow(() -> fields.unreadable(field, "is missing"));
        if (!list.isArray() || list.size() != count) {
            throw fields.unreadable(field, "expected a list of " + count + " numbers");
        }
        double[] factors = new double[count];
        for (int i = 0; i < count; i++) {
            double factor = list.get(i).asDouble(Double.NaN);
            if (!list.get(i).isNumber() || !Double.isFinite(factor) || factor <= 0) {
                throw fields.unreadable(
                        field,
                        "expected numbers above 0, found " + ConfigFields.shown(list.get(i)));
            }
            factors[i] = factor;
        }
        return factors;
    }

    /// The context before scaling: what stands beside the scaling counts before what stands inside.
    private int original(ConfigFields fields) {
        int inner = fields.integer(ORIGINAL, 1, Integer.MAX_VALUE, 0);
        int outer = config.integer(ORIGINAL, 1, Integer.MAX_VALUE, 0);
        if (config.states(ORIGINAL) && inner != 0 && inner != outer) {
            throw config.unreadable(
                    ORIGINAL, outer + " beside " + inner + " in the rotary scaling");
        }
        if (inner != 0) {
            return inner;
        }
        return outer != 0 ? outer : context;
    }

    private static int stretched(int original, double factor) {
        return (int) Math.min(Integer.MAX_VALUE, original * factor);
    }

    private static List<String> sorted(Set<String> names) {
        return names.stream().sorted().toList();
    }
}
