/// Number codes: how floats become small integers with scales, and back, and how far that is off.
///
/// Adding a code: a constant in [dev.tokenlog.engine.tensor.NumberCode]; a record beside
/// [SignedCode] with its formula, named in [GroupCode]; its product in the kernels. The compiler
/// shows every place, since all switches over codes are exhaustive.
package dev.tokenlog.engine.quantize;
