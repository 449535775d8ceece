/// Models in files. A [SourceModel] is a Hugging Face folder in float, or a GGUF file, whose
/// metadata a [GgufFolder] translates into such a folder; a [Converter] turns it by a [Recipe] into
/// an [Artifact], which an [ArtifactStore] keeps under its digest. [Digests] says what is hashed;
/// [Manifest] what is written down; [Inspection] shows any of it.
package dev.tokenlog.engine.artifact;
