package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonSubTypes;
import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.OptBoolean;
import java.util.List;

/// Topic `prompts`. A prompt can be typed into a console producer: only `model_id` and one of
/// `messages` and `prompt` are required, and a missing `type` means [PromptSubmitted].
@JsonTypeInfo(
        use = JsonTypeInfo.Id.NAME,
        property = "type",
        requireTypeIdForSubtypes = OptBoolean.FALSE)
@JsonSubTypes(
        @JsonSubTypes.Type(value = PromptEvent.PromptSubmitted.class, name = "PromptSubmitted"))
public sealed interface PromptEvent extends Event {

    /// @param generationId chosen by the client; without one it is `partition-offset` of this
    ///   record
    /// @param conversationId routes only: same key, same partition, warm prefix cache
    /// @param messages the whole conversation, rendered by the model's chat template
    /// @param prompt raw text in place of `messages`, no template
    /// @param maxTokens at most this many tokens; missing: the worker's default
    /// @param temperature 0 to 2; 0 takes the likeliest token
    /// @param topK 0 or missing: no limit
    /// @param seed missing: derived from the generation id
    /// @param stop texts that end the generation
    /// @param logprobs how many alternatives to report per token; missing: no log probabilities, 0:
    ///   the token's own
    /// @param deadlineMs milliseconds after the record's append time by which it is worth anything
    /// @param priority -10 to 10, larger first; missing: 0. Nobody waits for ever: see
    ///   `docs/events.md`
    /// @param user for whom it is asked: workers share their turns evenly between users; missing:
    ///   the record's key, if it is not the generation's id
    record PromptSubmitted(
            String generationId,
            String conversationId,
            @Required String modelId,
            List<Message> messages,
            String prompt,
            Integer maxTokens,
            Double temperature,
            Integer topK,
            Double topP,
            Double minP,
            Double repetitionPenalty,
            Double presencePenalty,
            Double frequencyPenalty,
            UnsignedSeed seed,
            List<String> stop,
            Integer logprobs,
            Long deadlineMs,
            Integer priority,
            String user)
            implements PromptEvent {

        public PromptSubmitted {
            if ((messages == null || messages.isEmpty()) == (prompt == null)) {
                throw new IllegalArgumentException(
                        "exactly one of messages (not empty) and prompt is needed");
            }
        }

        /// A prompt that is raw text.
        public static Builder ofText(String modelId, String prompt) {
            return new Builder(modelId, null, prompt);
        }

        /// A prompt that is a conversation, rendered by the model's chat template.
        public static Builder ofMessages(String modelId, List<Message> messages) {
            return new Builder(modelId, List.copyOf(messages), null);
        }

        /// The same prompt under another generation id.
        public PromptSubmitted withGenerationId(String id) {
            return new PromptSubmitted(
                    id,
                    conversationId,
                    modelId,
                    messages,
                    prompt,
                    maxTokens,
                    temperature,
                    topK,
                    topP,
                    minP,
                    repetitionPenalty,
                    presencePenalty,
                    frequencyPenalty,
                    seed,
                    stop,
                    logprobs,
                    deadlineMs,
                    priority,
                    user);
        }
    }

    /// Builds a prompt by the names of its fields; what is not set stays missing.
    final class Builder {
        private final String modelId;
        private final List<Message> messages;
        private final String prompt;
        private String generationId;
        private String conversationId;
        private Integer maxTokens;
        private Double temperature;
        private Integer topK;
        private Double topP;
        private Double minP;
        private Double repetitionPenalty;
        private Double presencePenalty;
        private Double frequencyPenalty;
        private UnsignedSeed seed;
        private List<String> stop;
        private Integer logprobs;
        private Long deadlineMs;
        private Integer priority;
        private String user;

        private Builder(String modelId, List<Message> messages, String prompt) {
            this.modelId = modelId;
            this.messages = messages;
            this.prompt = prompt;
        }

        public Builder generationId(String value) {
            generationId = value;
            return this;
        }

        public Builder conversationId(String value) {
            conversationId = value;
            return this;
        }

        public Builder maxTokens(Integer value) {
            maxTokens = value;
            return this;
        }

        public Builder temperature(Double value) {
            temperature = value;
            return this;
        }

        public Builder topK(Integer value) {
            topK = value;
            return this;
        }

        public Builder topP(Double value) {
            topP = value;
            return this;
        }

        public Builder minP(Double value) {
            minP = value;
            return this;
        }

        public Builder repetitionPenalty(Double value) {
            repetitionPenalty = value;
            return this;
        }

        public Builder presencePenalty(Double value) {
            presencePenalty = value;
            return this;
        }

        public Builder frequencyPenalty(Double value) {
            frequencyPenalty = value;
            return this;
        }

        public Builder seed(UnsignedSeed value) {
            seed = value;
            return this;
        }

        public Builder stop(List<String> value) {
            stop = value;
            return this;
        }

        public Builder logprobs(Integer value) {
            logprobs = value;
            return this;
        }

        public Builder deadlineMs(Long value) {
            deadlineMs = value;
            return this;
        }

        public Builder priority(Integer value) {
            priority = value;
            return this;
        }

        public Builder user(String value) {
            user = value;
            return this;
        }

        public PromptSubmitted build() {
            return new PromptSubmitted(
                    generationId,
                    conversationId,
                    modelId,
                    messages,
                    prompt,
                    maxTokens,
                    temperature,
                    topK,
                    topP,
                    minP,
                    repetitionPenalty,
                    presencePenalty,
                    frequencyPenalty,
                    seed,
                    stop,
                    logprobs,
                    deadlineMs,
                    priority,
                    user);
        }
    }

    record Message(@Required String role, @Required String content) {}
}
