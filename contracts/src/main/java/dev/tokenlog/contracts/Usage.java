package dev.tokenlog.contracts;

import com.fasterxml.jackson.annotation.JsonTypeInfo;
import com.fasterxml.jackson.annotation.JsonTypeName;

/// Topic `usage`, key model id and window: what a model did in one minute.
///
/// @param windowStart milliseconds since 1970, UTC
/// @param debtTokens tokens asked for by prompts that had not ended at the window's end
@JsonTypeInfo(use = JsonTypeInfo.Id.NAME, property = "type")
@JsonTypeName("Usage")
public record Usage(
        @Required String modelId,
        long windowStart,
        long windowMs,
        long generations,
        long promptTokens,
        long completionTokens,
        Long firstTokenMsP50,
        Long firstTokenMsP99,
        Long totalMsP50,
        Long totalMsP99,
        long debtTokens)
        implements Event {}
