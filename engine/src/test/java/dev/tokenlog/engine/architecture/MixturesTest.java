package dev.tokenlog.engine.architecture;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.tokenlog.engine.EngineException;
import dev.tokenlog.engine.EngineException.Reason;
import dev.tokenlog.engine.architecture.ModelPlan.FeedForward;
import dev.tokenlog.engine.architecture.ModelPlan.LayerPlan;
import dev.tokenlog.engine.architecture.ModelPlan.Mixture;
import dev.tokenlog.engine.architecture.PlannedTensor.Kind;
import dev.tokenlog.engine.format.StrictJson;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MixturesTest {

    /// What the repository of Mixtral-8x7B-v0.1 says.
    private static final String MIXTRAL =
            """
            {"architectures": ["MixtralForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 1,
             "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 4096,
             "initializer_range": 0.02, "intermediate_size": 14336,
             "max_position_embeddings": 32768, "model_type": "mixtral", "num_attention_heads": 32,
             "num_experts_per_tok": 2, "num_hidden_layers": 32, "num_key_value_heads": 8,
             "num_local_experts": 8, "output_router_logits": false, "rms_norm_eps": 1e-05,
             "rope_theta": 1000000.0, "router_aux_loss_coef": 0.02, "sliding_window": null,
             "tie_word_embeddings": false, "torch_dtype": "bfloat16",
             "transformers_version": "4.36.0.dev0", "use_cache": true, "vocab_size": 32000}
            """;

    /// What the repository of Qwen3-30B-A3B says.
    private static final String QWEN_3_30B =
            """
            {"architectures": ["Qwen3MoeForCausalLM"], "attention_bias": false,
             "attention_dropout": 0.0, "bos_token_id": 151643, "decoder_sparse_step": 1,
             "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 2048,
             "initializer_range": 0.02, "intermediate_size": 6144,
             "max_position_embeddings": 40960, "max_window_layers": 48, "mlp_only_layers": [],
             "model_type": "qwen3_moe", "moe_intermediate_size": 768, "norm_topk_prob": true,
             "num_attention_heads": 32, "num_experts": 128, "num_experts_per_tok": 8,
             "num_hidden_layers": 48, "num_key_value_heads": 4, "output_router_logits": false,
             "rms_norm_eps": 1e-06, "rope_scaling": null, "rope_theta": 1000000.0,
             "router_aux_loss_coef": 0.001, "sliding_window": null, "tie_word_embeddings": false,
             "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": true,
             "use_sliding_window": false, "vocab_size": 151936}
            """;

    private static ObjectNode json(String text) {
        try {
            return (ObjectNode) StrictJson.MAPPER.readTree(text);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static ModelPlan plan(String text, String field, String value) {
        try {
            ObjectNode config = json(text);
            config.set(field, StrictJson.MAPPER.readTree(value));
            return ModelPlans.of(config, "config.json");
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(e);
        }
    }

    private static List<Integer> mixtures(ModelPlan plan) {
        List<FeedForward> networks = plan.layers().stream().map(LayerPlan::feedForward).toList();
        return java.util.stream.IntStream.range(0, networks.size())
                .filter(layer -> networks.get(layer).mixture() != null)
                .boxed()
                .toList();
    }

    @Test
    void mixtralHasItsPublishedSize() {
        ModelPlan plan = ModelPlans.of(json(MIXTRAL), "config.json");

        List<PlannedTensor> tensors = PlannedTensor.of(plan);

        assertThat(tensors.stream().mapToLong(PlannedTensor::elements).sum())
                .isEqualTo(46_702_792_704L);
        assertThat(tensors).hasSize(1 + 32 * (2 + 4 + 1 + 8 * 3) + 2);
        assertThat(plan.layers().get(31).feedForward().mixture())
                .isEqualTo(new Mixture(8, 2, true, "model.layers.31.block_sparse_moe.gate.weight"));
        assertThat(tensors)
                .contains(
                        new PlannedTensor(
                                "model.layers.31.block_sparse_moe.gate.weight",
                                Kind.ROUTER,
                                31,
                                8,
                                4096),
                        new PlannedTensor(
                                "model.layers.0.block_sparse_moe.experts.7.w2.weight",
                                Kind.MATRIX,
                                0,
                                4096,
                                14336));
    }

    @Test
    void qwen3Of30BillionHasItsPublishedSize() {
        ModelPlan plan = ModelPlans.of(json(QWEN_3_30B), "config.json");

        List<PlannedTensor> tensors = PlannedTensor.of(plan);

        assertThat(tensors.stream().mapToLong(PlannedTensor::elements).sum())
                .isEqualTo(30_532_122_624L);
        assertThat(tensors).hasSize(1 + 48 * (2 + 4 + 2 + 1 + 128 * 3) + 2);
        assertThat(plan.layers().getFirst().feedForward().mixture())
                .isEqualTo(new Mixture(128, 8, true, "model.layers.0.mlp.gate.weight"));
        assertThat(tensors)
                .contains(
                        new PlannedTensor(
                                "model.layers.47.mlp.experts.127.up_proj.weight",
                                Kind.MATRIX,
                                47,
                                768,
                                2048));
    }

    @Test
    void everySecondLayerButTheExceptedIsAMixture() {
        ObjectNode config = json(QWEN_3_30B);
        config.put("num_hidden_layers", 8).put("decoder_sparse_step", 2);
        config.putArray("mlp_only_layers").add(3).add(4);

        ModelPlan plan = ModelPlans.of(config, "config.json");

        assertThat(mixtures(plan)).containsExactly(1, 5, 7);
        assertThat(plan.layers().get(1).feedForward().intermediateSize()).isEqualTo(768);
        assertThat(plan.layers().get(3).feedForward())
                .isEqualTo(
                        new FeedForward(
                                6144,
                                ModelPlan.Activation.SILU,
                                false,
                                "model.layers.3.mlp.gate_proj.weight",
                                "model.layers.3.mlp.up_proj.weight",
                                "model.layers.3.mlp.down_proj.weight"));
    }

    @Test
    void weightsOfTheChosenAreNormalizedWhereTheFamilyOrTheFieldSaysSo() {
        ObjectNode silent = json(QWEN_3_30B);
        silent.remove("norm_topk_prob");

        assertThat(normalized(ModelPlans.of(silent, "config.json"))).isFalse();
        assertThat(normalized(plan(QWEN_3_30B, "norm_topk_prob", "true"))).isTrue();
        assertThat(normalized(ModelPlans.of(json(MIXTRAL), "config.json"))).isTrue();
    }

    private static boolean normalized(ModelPlan plan) {
        return plan.layers().getFirst().feedForward().mixture().normalized();
    }

    @Test
    void theNumberOfExpertsHasTwoNames() {
        ObjectNode config = json(QWEN_3_30B);
        config.put("num_local_experts", 128);
        ModelPlan both = ModelPlans.of(config, "config.json");
        config.remove("num_experts");

        assertThat(ModelPlans.of(config, "config.json"))
                .isEqualTo(both)
                .isEqualTo(ModelPlans.of(json(QWEN_3_30B), "config.json"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            textBlock =
                    """
                    num_experts_per_tok | 129 | SOURCE_UNREADABLE | num_experts_per_tok
                    num_experts_per_tok | 0 | SOURCE_UNREADABLE | num_experts_per_tok
                    num_experts | 0 | SOURCE_UNREADABLE | num_experts
                    num_experts | 4096 | UNSUPPORTED | num_experts
                    num_experts | -1 | SOURCE_UNREADABLE | num_experts
                    num_local_experts | 64 | SOURCE_UNREADABLE | num_experts
                    moe_intermediate_size | 0 | SOURCE_UNREADABLE | moe_intermediate_size
                    decoder_sparse_step | 0 | SOURCE_UNREADABLE | decoder_sparse_step
                    mlp_only_layers | [48] | SOURCE_UNREADABLE | mlp_only_layers
                    mlp_only_layers | [-1] | SOURCE_UNREADABLE | mlp_only_layers
                    mlp_only_layers | [1.5] | SOURCE_UNREADABLE | mlp_only_layers
                    mlp_only_layers | 3 | SOURCE_UNREADABLE | mlp_only_layers
                    norm_topk_prob | "yes" | SOURCE_UNREADABLE | norm_topk_prob
                    shared_expert_intermediate_size | 512 | UNSUPPORTED | shared_expert_intermediate_size
                    n_shared_experts | 1 | UNSUPPORTED | n_shared_experts
                    """)
    void whatCannotBeIsRefusedByTheNameOfTheField(
            String field, String value, Reason reason, String named) {
        assertThatThrownBy(() -> plan(QWEN_3_30B, field, value))
                .isInstanceOfSatisfying(
                        EngineException.class, e -> assertThat(e.reason()).isEqualTo(reason))
                .hasMessageContaining("field '" + named + "'");
    }
}
