/// The rules of `docs/events.md` about who computes a generation and which of its events count,
/// seen from a worker: ownership, claim, fence, commit, resumption.
///
/// Everything here runs on one thread, the protocol thread, and does nothing by itself but talk to
/// the small interfaces that [dev.tokenlog.inference.protocol.WorkerPorts] names. So the same code
/// runs on Kafka and in a simulation that tries many thousand interleavings.
package dev.tokenlog.inference.protocol;
