/// Tokenlog from Java: nothing but the topics, and what is needed to read them rightly.
///
/// ```java
/// try (TokenlogClient client = TokenlogClient.connect(Map.of("bootstrap.servers", "localhost:9092"), "")) {
///     PromptSubmitted prompt = PromptSubmitted.ofText("demo", "Once upon a time").maxTokens(64).build();
///     try (GenerationStream stream = client.generate(prompt)) {
///         GenerationResult result = stream.forEach(Duration.ofSeconds(30), update -> {
///             if (update instanceof GenerationUpdate.Tokens tokens) {
///                 System.out.print(tokens.text());
///             }
///         });
///         System.out.println(result.end());
///     }
/// }
/// ```
///
/// A [dev.tokenlog.client.GenerationHandle] can be kept and read again, here or elsewhere, for as
/// long as the log holds the generation; `attach` does the same with the id alone, by searching.
package dev.tokenlog.client;
