/// A quantized model against its FP32 baseline: measurements and a verdict for exactly one digest.
///
/// Start reading at [ValidationRun]: what is measured, and who judges it ([ValidationPolicy]).
/// [Comparison] is the engine's side, [ValidationLog] the topics', [Validations] where records come
/// in.
package dev.tokenlog.validation;
