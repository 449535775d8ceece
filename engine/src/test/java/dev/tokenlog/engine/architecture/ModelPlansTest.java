package dev.tokenlog.engine.architecture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.TestFiles;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;
import dev.tokenlog.engine.format.StrictJson;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ModelPlansTest {

    private static final String LLAMA =
            """
            {"model_type": "llama", "vocab_size": 320, "hidden_size": 64, "intermediate_size": 160,
             "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2}
            """;

    private static ObjectNode llama() {
        try {
            return (ObjectNode) StrictJson.MAPPER.readTree(LLAMA);
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static ModelPlan planWith(String field, String json) {
        ObjectNode config = llama();
        try {
            config.set(field, StrictJson.MAPPER.readTree(json));
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
        return ModelPlans.of(config, "config.json");
    }

    @Test
    void a_silent_configuration_gets_the_defaults_of_its_family() {
        ModelPlan plan = ModelPlans.of(llama(), "config.json");

        assertThat(plan.family()).isEqualTo("llama");
        assertThat(plan.contextLength()).isEqualTo(2048);
        assertThat(plan.finalNormEpsilon()).isEqualTo(1e-6f);
        assertThat(plan.tiedEmbeddings()).isFalse();
        assertThat(plan.headTensor()).isEqualTo("lm_head.weight");
        assertThat(plan.layers()).hasSize(3);
        assertThat(plan.layers().get(2).attention().headSize()).isEqualTo(16);
        assertThat(plan.layers().get(2).attention().scale()).isEqualTo(0.25f);
        assertThat(plan.layers().get(2).attention().queryTensor())
                .isEqualTo("model.layers.2.self_attn.q_proj.weight");
        assertThat(plan.rotary().inverseFrequencies()).hasSize(8).startsWith(1.0);
        assertThat(plan.rotary().inverseFrequencies().get(4)).isCloseTo(0.01, within(1e-15));
    }

    @Test
    void tiny_llama_has_22_times_7_and_2_matrices_and_45_norms() {
        ObjectNode config = llama();
        config.put("vocab_size", 32000).put("hidden_size", 2048).put("intermediate_size", 5632);
        config.put("num_hidden_layers", 22).put("num_attention_heads", 32);
        config.put("num_key_value_heads", 4);

        List<PlannedTensor> tensors = PlannedTensor.of(ModelPlans.of(config, "config.json"));

        assertThat(tensors).filteredOn(t -> t.kind().isMatrix()).hasSize(22 * 7 + 2);
        assertThat(tensors).filteredOn(t -> t.kind() == Kind.NORM).hasSize(45);
        assertThat(tensors.stream().mapToLong(PlannedTensor::elements).sum())
                .isEqualTo(1_100_048_384L); // published size of TinyLlama-1.1B
    }

    @ParameterizedTest
    @CsvSource({
        "Llama-2-7b-hf, 6738415616, 65",
        "Llama-3.2-1B-Instruct, 1235814400, 33",
        "TinyLlama-1.1B-Chat-v1.0, 1100048384, 45",
        "SmolLM-135M, 134515008, 61",
        "SmolLM2-135M, 134515008, 61",
        "SmolLM2-135M-Instruct, 134515008, 61",
        "Mistral-7B-v0.1, 7241732096, 65",
        "Mistral-7B-Instruct-v0.1, 7241732096, 65",
        "Mistral-7B-Instruct-v0.3, 7248023552, 65",
        "Phi-3.5-mini-instruct, 3821079552, 65",
        "Qwen2.5-7B-Instruct, 7615616512, 57",
        "Qwen3-8B, 8190735360, 145",
        "gemma-2b, 2506172416, 37",
        "gemma-2b-it, 2506172416, 37",
        "gemma-2-2b-it, 2614341888, 105",
        "gemma-2-9b-it, 9241705984, 169"
    })
    void published_configurations_give_the_published_sizes(
            String name, long parameters, long norms) {
        ModelPlan plan =
                ModelPlans.read(TestFiles.shared("configs").resolve(name + ".config.json"));

        List<PlannedTensor> tensors = PlannedTensor.of(plan);

        assertThat(tensors.stream().mapToLong(PlannedTensor::elements).sum()).isEqualTo(parameters);
        assertThat(tensors).filteredOn(t -> t.kind() == Kind.NORM).hasSize((int) norms);
    }

    /// The part of published configurations that the sizes depend on. Of Gemma 3 4B, the text: with
    /// 416,866,032 parameters of its vision tower and 2,950,272 between the two, 4,300,079,472.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "999885952 | {'model_type': 'gemma3_text', 'vocab_size': 262144, 'hidden_size': 1152,"
                        + " 'intermediate_size': 6912, 'num_hidden_layers': 26,"
                        + " 'num_attention_heads': 4, 'num_key_value_heads': 1, 'head_dim': 256,"
                        + " 'sliding_window': 512, 'sliding_window_pattern': 6,"
                        + " 'attn_logit_softcapping': null, 'cache_implementation': 'hybrid'}",
                "3880263168 | {'model_type': 'gemma3', 'text_config': {'hidden_size': 2560,"
                        + " 'intermediate_size': 10240, 'model_type': 'gemma3_text',"
                        + " 'num_hidden_layers': 34, 'sliding_window': 1024,"
                        + " 'rope_scaling': {'factor': 8.0, 'rope_type': 'linear'}}}",
                "3075098624 | {'model_type': 'smollm3', 'vocab_size': 128256, 'hidden_size': 2048,"
                        + " 'intermediate_size': 11008, 'num_hidden_layers': 36,"
                        + " 'num_attention_heads': 16, 'num_key_value_heads': 4,"
                        + " 'max_window_layers': 28, 'pretraining_tp': 2}",
                "2533531648 | {'model_type': 'granite', 'vocab_size': 49155, 'hidden_size': 2048,"
                        + " 'intermediate_size': 8192, 'num_hidden_layers': 40,"
                        + " 'num_attention_heads': 32, 'num_key_value_heads': 8,"
                        + " 'tie_word_embeddings': true, 'attention_multiplier': 0.015625,"
                        + " 'embedding_multiplier': 12.0, 'logits_scaling': 8.0,"
                        + " 'residual_multiplier': 0.22}",
                "7298617344 | {'model_type': 'olmo2', 'vocab_size': 100352, 'hidden_size': 4096,"
                        + " 'intermediate_size': 11008, 'num_hidden_layers': 32,"
                        + " 'num_attention_heads': 32}"
            })
    void families_without_a_published_configuration_here_have_the_published_sizes(
            long parameters, String json) throws IOException {
        ModelPlan plan =
                ModelPlans.of(StrictJson.MAPPER.readTree(json.replace('\'', '"')), "config.json");

        assertThat(PlannedTensor.of(plan).stream().mapToLong(PlannedTensor::elements).sum())
                .isEqualTo(parameters);
    }

    @Test
    void both_dialects_of_rotary_scaling_say_the_same() {
        String inner =
                "\"rope_type\": \"llama3\", \"factor\": 8.0, \"low_freq_factor\": 1.0,"
                        + " \"high_freq_factor\": 4.0, \"original_max_position_embeddings\": 32";
        ObjectNode older = llama();
        older.put("rope_theta", 500000.0);
        ObjectNode newer = llama();
        try {
            older.set("rope_scaling", StrictJson.MAPPER.readTree("{" + inner + "}"));
            newer.set(
                    "rope_parameters",
                    StrictJson.MAPPER.readTree("{\"rope_theta\": 500000.0, " + inner + "}"));
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new IllegalStateException(e);
        }

        ModelPlan plan = ModelPlans.of(newer, "config.json");

        assertThat(ModelPlans.of(older, "config.json")).isEqualTo(plan);
        List<Double> frequencies = plan.rotary().inverseFrequencies();
        // by hand: wave 2π is shorter than 32/4; 2π/500000^(1/8) ≈ 32.4 is longer than 32
        assertThat(frequencies.get(0)).isEqualTo(1.0);
        assertThat(frequencies.get(1)).isCloseTo(Math.pow(500000, -0.125) / 8, within(1e-15));
    }

    @Test
    void waves_between_the_bounds_are_blended() {
        ModelPlan plan =
                planWith(
                        "rope_scaling",
                        """
                        {"rope_type": "llama3", "factor": 4, "low_freq_factor": 1,
                         "high_freq_factor": 3, "original_max_position_embeddings": 40}
                        """);

        // theta 10000, 16 dimensions: pair 1 has frequency 10000^(-1/8), wave 19.87, between
        // 40/3 and 40; smooth = (40/19.8692 - 1)/2 = 0.506585
        double frequency = 0.31622776601683794;
        double smooth = (40 * frequency / (2 * Math.PI) - 1) / 2;
        assertThat(plan.rotary().inverseFrequencies().get(1))
                .isCloseTo(frequency * (smooth + (1 - smooth) / 4), within(1e-15));
    }

    @Test
    void linear_scaling_divides_every_frequency() {
        ModelPlan plan = planWith("rope_scaling", "{\"type\": \"linear\", \"factor\": 2.0}");

        assertThat(plan.rotary().inverseFrequencies().getFirst()).isEqualTo(0.5);
    }

    @Test
    void biases_are_tensors_of_their_own() {
        ObjectNode config = llama();
        config.put("attention_bias", true).put("mlp_bias", true);

        List<PlannedTensor> tensors = PlannedTensor.of(ModelPlans.of(config, "config.json"));

        assertThat(tensors)
                .contains(
                        new PlannedTensor(
                                "model.layers.1.self_attn.k_proj.bias", Kind.BIAS, 1, 32, 1))
                .filteredOn(t -> t.kind() == Kind.BIAS)
                .hasSize(3 * 7);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "model_type | \"mamba\"",
                "architectures | [\"LlamaForSequenceClassification\"]",
                "hidden_act | \"gelu\"",
                "rope_scaling | {\"rope_type\": \"mrope\", \"factor\": 4.0}",
                "rope_scaling | {\"rope_type\": \"linear\", \"factor\": 4.0, \"mscale\": 2.0}",
                "rope_parameters | {\"full_attention\": {\"rope_theta\": 10.0}}",
                "quantization_config | {\"quant_method\": \"gptq\"}",
                "torch_dtype | \"float8_e4m3fn\"",
                "sliding_window | 4096",
                "attn_logit_softcapping | 50.0",
                "residual_multiplier | 0.22",
                "num_local_experts | 8",
                "rope_interleaved | true",
                "partial_rotary_factor | 0.5",
                "layer_types | [\"full_attention\", \"sliding_attention\", \"full_attention\"]",
                "clip_qkv | 8.0",
                "is_causal | false",
                "use_rope | false",
                "use_rms_norm | false",
                "scale_attn_weights | false",
                "is_encoder_decoder | true",
                "add_cross_attention | true",
                "use_bidirectional_attention | true",
                "use_qk_norm | true",
                "use_parallel_residual | true",
                "alibi | true",
                "attention_sink_size | 4",
                "kv_lora_rank | 512",
                "kv_channels | 64",
                "num_kv_shared_layers | 2",
                "multi_query | true",
                "qk_nope_head_dim | 64",
                "index_head_dim | 32",
                "indexer_types | [\"full\"]",
                "swiglu_limit | 7.0",
                "gating | \"sigmoid\"",
                "n_group | 4",
                "topk_method | \"noaux_tc\"",
                "mlp_only_layers | [1]",
                "shared_intermediate_size | 64",
                "moe_intermediate_size | 64",
                "mamba_d_state | 16",
                "conv_kernel | 4",
                "ssm_state_size | 16",
                "altup_num_inputs | 4",
                "laurel_rank | 64",
                "ngram_size | 2",
                "final_logit_softcapping | 30.0",
                "logits_scaling | 8.0",
                "embedding_multiplier | 12",
                "scale_emb | 12",
                "mup_width_multiplier | 8.0",
                "query_pre_attn_scalar | 256",
                "no_rope_layers | [1, 1, 0]",
                "rope_local_base_freq | 10000.0",
                "norm_bias | true",
                "position_embedding_type | \"alibi\"",
                "embedding_size | 128",
                "pruned_heads | {\"0\": [1]}",
                "activation_sparsity_pattern | [0.95]",
                "lora_rank | 8",
                "prefix_dense_norm | true",
                "chunk_size_feed_forward | 64"
            })
    void what_the_engine_does_not_do_is_refused_by_the_name_of_the_field(
            String field, String value) {
        assertThatThrownBy(() -> planWith(field, value))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.UNSUPPORTED))
                .hasMessageContaining(field);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "vocab_size | \"many\"",
                "vocab_size | 2147483648",
                "num_hidden_layers | 1000000000",
                "num_hidden_layers | 0",
                "num_key_value_heads | 3",
                "num_attention_heads | -4",
                "head_dim | 15",
                "hidden_size | 65",
                "rms_norm_eps | -1.0",
                "rope_theta | \"NaN\"",
                "rope_scaling | 4",
                "tie_word_embeddings | \"yes\""
            })
    void a_broken_field_is_named(String field, String value) {
        assertThatThrownBy(() -> planWith(field, value))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE))
                .hasMessageContaining(field);
    }

    /// Fields of one family each, on its golden configuration: what a reader of configurations may
    /// find there when somebody has edited them.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "gemma3-whole | text_config | null",
                "gemma3-whole | text_config.hidden_size | 0",
                "gemma3-whole | text_config.tie_word_embeddings | false",
                "mistral | sliding_window | 0",
                "mistral | sliding_window | -1",
                "mistral | sliding_window | 99999999999",
                "mistral | sliding_window | 24.5",
                "mistral | sliding_window_size | 7",
                "gemma2 | sliding_window | null",
                "gemma2 | query_pre_attn_scalar | 0",
                "gemma2 | query_pre_attn_scalar | -256",
                "gemma2 | query_pre_attn_scalar | 1e300",
                "gemma2 | attn_logit_softcapping | 0",
                "gemma2 | attn_logit_softcapping | -50.0",
                "gemma2 | attn_logit_softcapping | 1e60",
                "gemma2 | final_logit_softcapping | 0.0",
                "gemma2 | final_logit_softcapping | \"30\"",
                "gemma2 | layer_types | [\"full_attention\"]",
                "gemma2 | layer_types | 4",
                "gemma | head_dim | 0",
                "gemma | hidden_activation | \"silu\"",
                "gemma3-text | sliding_window_pattern | 0",
                "gemma3-text | rope_local_base_freq | 0",
                "gemma3-text | rope_local_base_freq | 1e-308",
                "phi3-partial-rotary | partial_rotary_factor | 0",
                "phi3-partial-rotary | partial_rotary_factor | 1.5",
                "phi3-partial-rotary | partial_rotary_factor | 0.01",
                "phi3-longrope | original_max_position_embeddings | 0",
                "phi3-longrope | original_max_position_embeddings | 50",
                "phi3-longrope | rope_scaling.short_factor | [1.0]",
                "phi3-longrope | rope_scaling.long_factor | [1, 1, 1, 1, 1, 1, 1, 0]",
                "phi3-longrope | rope_scaling.long_factor | [1, 1, 1, 1, 1, 1, 1, \"2\"]",
                "phi3-longrope | rope_scaling.attention_factor | -1",
                "qwen2-window | max_window_layers | -1",
                "qwen2-window | use_sliding_window | 1",
                "smollm3 | no_rope_layers | [1, 1]",
                "smollm3-interval | no_rope_layer_interval | 0",
                "granite | residual_multiplier | 0",
                "granite | residual_multiplier | -0.2",
                "granite | logits_scaling | 0",
                "granite | logits_scaling | 1e-60",
                "granite | attention_multiplier | 0",
                "granite | embedding_multiplier | 1e39",
                "llama-yarn | rope_scaling.factor | 0",
                "llama-yarn | rope_scaling.beta_fast | -32",
                "llama-yarn | rope_scaling.original_max_position_embeddings | 0",
                "llama | rope_theta | 1",
                "llama | rope_theta | 1e400",
                "llama-dynamic | rope_scaling.factor | 0.5",
                "llama-dynamic | max_position_embeddings | 0",
                "llama-linear | rope_scaling.factor | -2",
            })
    void a_broken_field_of_a_family_is_named(String golden, String field, String value)
            throws IOException {
        assertThatThrownBy(() -> planWith(golden, field, value))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.SOURCE_UNREADABLE))
                .hasMessageContaining("'" + field + "'");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "gemma3-whole | architectures | [\"Gemma3TextModel\"]",
                "gemma3-whole | quantization_config | {\"quant_method\": \"gptq\"}",
                "gemma3-whole | text_config.model_type | \"llama\"",
                "gemma3-whole | text_config.altup_num_inputs | 4",
                "gemma3-whole | use_bidirectional_attention | true",
                "gemma3-whole | text_config.final_logit_softcapping | 30.0",
                "mistral | attention_bias | true",
                "mistral | layer_types | [\"full_attention\", \"sliding_attention\", \"full_attention\"]",
                "gemma | final_logit_softcapping | 30.0",
                "gemma | hidden_act | \"relu\"",
                "gemma2 | hidden_activation | \"gelu\"",
                "gemma2 | layer_types | [\"full_attention\", \"chunked_attention\", \"full_attention\", \"full_attention\"]",
                "gemma2 | partial_rotary_factor | 0.5",
                "gemma3-text | attn_logit_softcapping | 50.0",
                "phi3-longrope | rope_scaling | {\"rope_type\": \"yarn\", \"factor\": 4.0}",
                "phi3-longrope | rope_scaling.short_mscale | 1.2",
                "phi3-longrope | attention_bias | true",
                "qwen2 | mlp_bias | true",
                "olmo2 | clip_qkv | 8.0",
                "smollm3 | layer_types | [\"linear_attention\", \"full_attention\", \"full_attention\", \"full_attention\"]",
                "granite | num_local_experts | 4",
                "llama-dynamic | rope_scaling.original_max_position_embeddings | 7"
            })
    void what_a_family_does_not_do_is_refused(String golden, String field, String value)
            throws IOException {
        assertThatThrownBy(() -> planWith(golden, field, value))
                .isInstanceOfSatisfying(
                        EngineException.class,
                        e -> assertThat(e.reason()).isEqualTo(Reason.UNSUPPORTED))
                .hasMessageContaining("'" + field);
    }

    /// @param field may be one of an object: `object.field`
    private static ModelPlan planWith(String golden, String field, String json) throws IOException {
        ObjectNode config =
                (ObjectNode)
                        StrictJson.MAPPER.readTree(
                                TestFiles.golden(golden).resolve("config.json").toFile());
        String[] path = field.split("\\.");
        ObjectNode object = path.length == 1 ? config : (ObjectNode) config.get(path[0]);
        object.set(path[path.length - 1], StrictJson.MAPPER.readTree(json));
        return ModelPlans.of(config, "config.json");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "vocab_size",
                "hidden_size",
                "intermediate_size",
                "num_hidden_layers",
                "num_attention_heads",
                "model_type"
            })
    void a_missing_field_is_named(String field) {
        ObjectNode config = llama();
        config.remove(field);

        assertThatThrownBy(() -> ModelPlans.of(config, "config.json"))
                .isInstanceOf(EngineException.class)
                .hasMessageContaining("'" + field + "': is missing");
    }

    @Test
    void spoiled_configurations_never_break_the_reader(@TempDir Path temp) throws IOException {
        byte[] good = Files.readAllBytes(TestFiles.golden("llama-3.2").resolve("config.json"));
        Random random = new Random(21);
        Assertions.assertTimeout(
                Duration.ofMinutes(5),
                () -> {
                    for (int round = 0; round < 2000; round++) {
                        byte[] bad = good.clone();
                        for (int edits = random.nextInt(1, 4); edits > 0; edits--) {
                            bad[random.nextInt(bad.length)] =
                                    (byte)
                                            "0123456789{}[],:\"-.eEn\u0000\u00ff"
                                                    .charAt(random.nextInt(24));
                        }
                        Path file = Files.write(temp.resolve("config.json"), bad);
                        try {
                            assertThat(ModelPlans.read(file).layers()).isNotEmpty();
                        } catch (EngineException e) {
                            assertThat(e).hasMessageContaining("config.json");
                        }
                    }
                });
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "attention_dropout | 0.1",
                "rope_scaling | null",
                "sliding_window | null",
                "rope_interleaved | false",
                "logits_scaling | 1.0",
                "_attn_implementation | \"eager\"",
                "initializer_range | 0.02",
                "pretraining_tp | 2",
                "is_decoder | true",
                "is_causal | true",
                "use_rope | true",
                "no_repeat_ngram_size | 3",
                "num_beam_groups | 1",
                "top_k | 50",
                "temperature | 0.6",
                "original_max_position_embeddings | 2048",
                "layer_types | [\"full_attention\", \"full_attention\", \"full_attention\"]",
                "chunk_size_feed_forward | 0",
                "conversation_template | \"llama-3\"",
                "_sliding_window_pattern | 6",
                "head_dim | null",
                "transformers.js_config | {\"kv_cache_dtype\": {\"fp16\": \"float16\"}}"
            })
    void notes_and_neutral_values_change_nothing(String field, String value) {
        assertThat(planWith(field, value)).isEqualTo(ModelPlans.of(llama(), "config.json"));
    }

    /// transformers 5 reads `rope_scaling` of Gemma 3 as if `type` were not there, 4.50 did not.
    @Test
    void an_old_name_whose_meaning_has_changed_is_refused() throws IOException {
        ObjectNode config =
                (ObjectNode)
                        StrictJson.object(TestFiles.golden("gemma3-text").resolve("config.json"));
        ObjectNode scaling = (ObjectNode) config.get("rope_scaling");
        scaling.remove("rope_type");
        scaling.put("type", "linear");

        assertThatThrownBy(() -> ModelPlans.of(config, "config.json"))
                .hasMessageContaining("field 'rope_scaling.type'");

        scaling.put("rope_type", "linear");
        assertThat(ModelPlans.of(config, "config.json"))
                .isEqualTo(ModelPlans.read(TestFiles.golden("gemma3-text").resolve("config.json")));
    }

    /// Fields that repositories carry and transformers does not read: `use_qk_norm` where the norms
    /// are always there, and what YaRN's authors wrote into their scalings.
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "qwen3 | use_qk_norm | true",
                "qwen3-moe | use_qk_norm | true",
                "llama-yarn | rope_scaling.finetuned | true",
                "llama-yarn-mscale | rope_theta | null",
                "llama-yarn-mscale | partial_rotary_factor | null"
            })
    void what_a_family_does_not_read_changes_nothing(String golden, String field, String value)
            throws IOException {
        assertThat(planWith(golden, field, value))
                .isEqualTo(ModelPlans.read(TestFiles.golden(golden).resolve("config.json")));
    }
}
