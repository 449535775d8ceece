/// GGUF, the file format of llama.cpp (github.com/ggml-org/ggml, docs/gguf.md): versions 2 and 3,
/// little-endian. [GgufFile] reads and checks everything but the numbers, [GgufMetadata] gives the
/// keys by type and name, [BlockDecoder] turns blocks of weights into floats.
package dev.tokenlog.engine.format.gguf;
