/// File formats: readers that believe nothing they have not checked, writers that stream. Every
/// reader refuses broken bytes with an [dev.tokenlog.engine.EngineException] that names file,
/// tensor and offset; nothing in a file leads out of its folder.
package dev.tokenlog.engine.format;
