/// Who made an artifact of what: a statement of the in-toto framework with SLSA provenance, signed
/// in a DSSE envelope. Start reading at [dev.tokenlog.artifactstore.provenance.ProvenanceFile].
package dev.tokenlog.artifactstore.provenance;
