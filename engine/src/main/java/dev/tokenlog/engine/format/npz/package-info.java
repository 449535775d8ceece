/// NPZ: a zip archive of numpy arrays. Read strictly, since anybody may have written it.
package dev.tokenlog.engine.format.npz;
