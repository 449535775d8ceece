/// The part of Jinja that chat templates are written in, with the semantics of Python's `jinja2` as
/// Hugging Face transformers configures it: `trim_blocks`, `lstrip_blocks`, loop controls, the
/// `generation` tag, `raise_exception`, `strftime_now`, and `tojson` without escapes of HTML.
///
/// Templates come with downloaded models and are not trusted: they reach nothing but the values
/// they are given, and a [Budget] bounds what they compute. Why this is not a library:
/// `docs/decisions/0040-own-jinja-interpreter.md`.
package dev.tokenlog.engine.tokenizer.jinja;
