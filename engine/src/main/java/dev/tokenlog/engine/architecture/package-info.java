/// Turns a `config.json` into a [ModelPlan], by data: [ModelPlans] reads the fields, one row of
/// `Families` says what a family's silence means and what its tensors are called, and whatever is
/// asked for beyond that is refused by the name of the field.
///
/// Adding a family: a row in `Families`. If it computes something new: a field in [ModelPlan] that
/// is 0, false or null for all others (so that their digests stay), read in [ModelPlans], done in
/// the forward pass, and named in [PlannedTensor] where it has weights.
package dev.tokenlog.engine.architecture;
