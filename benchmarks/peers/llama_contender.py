"""llama.cpp, or ik_llama.cpp, through the C interface of its Python package; see compare.py for what is said on which side.

    python llama_contender.py MODEL.gguf THREADS PROMPT LONGEST
    python llama_contender.py quantize SOURCE.gguf OUT.gguf THREADS

PROMPT is how many tokens a sequence has before it decodes, LONGEST the longest prompt. Settings are the library's own
(flash attention, cache in half precision, chunks of 512), weights repacked for the processor at load.
"""

import concurrent.futures
import hashlib
import importlib.metadata
import json
import os
import sys
import time

SEQUENCES = 8
DECODED = 64


class Api:
    """What the two libraries name differently."""

    def __init__(self):
        try:
            import llama_cpp as c

            self.name, self.package = "llama.cpp", "llama-cpp-python"
            self.system = c.llama_print_system_info().decode().strip()
            self.fork = False
        except ImportError:
            import ctypes

            from ik_llama_cpp import _ctypes_api as c

            self.name, self.package = "ik_llama.cpp", "ik-llama-cpp-python"
            c._lib.llama_print_system_info.restype = ctypes.c_char_p
            self.system = c._lib.llama_print_system_info().decode().strip()
            self.fork = True
            c._lib.llama_kv_cache_seq_rm.argtypes = [
                ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32, ctypes.c_int32]
            c._lib.llama_kv_cache_seq_rm.restype = ctypes.c_bool
        self.c = c
        self.version = importlib.metadata.version(self.package)

    def load(self, path):
        parameters = self.c.llama_model_default_params()
        if self.fork:
            parameters.repack_tensors = True
            parameters.use_mmap = False
        parameters.n_gpu_layers = 0
        load = getattr(self.c, "llama_model_load_from_file", None) or self.c.llama_load_model_from_file
        model = load(path.encode(), parameters)
        if not model:
            raise RuntimeError(f"{self.name} cannot open {path}")
        return model

    def context(self, model, tokens, sequences, threads):
        parameters = self.c.llama_context_default_params()
        # Whole pieces of 256 each: the fork's flash attention reads beyond a smaller cache.
        parameters.n_ctx = -(-tokens // 256) * 256 * sequences
        parameters.n_seq_max = sequences
        parameters.n_threads = threads
        parameters.n_threads_batch = threads
        create = getattr(self.c, "llama_init_from_model", None) or self.c.llama_new_context_with_model
        context = create(model, parameters)
        if not context:
            raise RuntimeError(f"{self.name} has no memory for {sequences} sequences")
        return context

    def vocabulary(self, model):
        if hasattr(self.c, "llama_vocab_n_tokens"):
            return self.c.llama_vocab_n_tokens(self.c.llama_model_get_vocab(model))
        return self.c.llama_n_vocab(model)

    def forget(self, context, sequence, position):
        """Drops what a sequence has from a position on."""
        if hasattr(self.c, "llama_get_memory"):
            return self.c.llama_memory_seq_rm(self.c.llama_get_memory(context), sequence, position, -1)
        if self.fork:
            return self.c._lib.llama_kv_cache_seq_rm(context, sequence, position, -1)
        return self.c.llama_kv_cache_seq_rm(context, sequence, position, -1)

    def decode(self, context, batch):
        status = self.c.llama_decode(context, batch)
        if status != 0:
            raise RuntimeError(f"{self.name}: llama_decode {status}")
        self.c.llama_get_logits_ith(context, batch.n_tokens - 1)


class Contender:
    def __init__(self, api, path, threads, prompt, longest):
        self.api = api
        model = api.load(path)
        self.vocabulary = api.vocabulary(model)
        self.prompt = prompt
        self.alone = api.context(model, max(longest, prompt + DECODED), 1, threads)
        self.together = api.context(model, prompt + DECODED, SEQUENCES, threads)
        self.batch = api.c.llama_batch_init(max(longest, SEQUENCES), 0, 1)
        self.filled = set()  # numbers of sequences whose prompts are in the cache

    def token(self, index):
        return index * 7919 % self.vocabulary

    def add(self, at, sequence, position, logits):
        self.batch.token[at] = self.token(position)
        self.batch.pos[at] = position
        self.batch.n_seq_id[at] = 1
        self.batch.seq_id[at][0] = sequence
        self.batch.logits[at] = logits

    def prefill(self, context, sequence, tokens):
        self.api.forget(context, sequence, 0)
        for i in range(tokens):
            self.add(i, sequence, i, i == tokens - 1)
        self.batch.n_tokens = tokens
        self.api.decode(context, self.batch)

    def prompt_rate(self, tokens):
        self.filled.discard(1)
        begin = time.perf_counter()
        self.prefill(self.alone, 0, tokens)
        return tokens / (time.perf_counter() - begin)

    def decode_rate(self, sequences, steps):
        context = self.alone if sequences == 1 else self.together
        if sequences not in self.filled:
            for sequence in range(sequences):
                self.prefill(context, sequence, self.prompt)
            self.filled.add(sequences)
        for sequence in range(sequences):
            self.api.forget(context, sequence, self.prompt)
        begin = time.perf_counter()
        for step in range(steps):
            for sequence in range(sequences):
                self.add(sequence, sequence, self.prompt + step, True)
            self.batch.n_tokens = sequences
            self.api.decode(context, self.batch)
        return sequences * steps / (time.perf_counter() - begin)


def say(answer):
    print("@" + json.dumps(answer), flush=True)


def quantize(source, out, threads):
    import llama_cpp
    import models

    begin = time.perf_counter()
    models.quantize(source, out, llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0, int(threads))
    quantized = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(sha256, (source, out)))
    size, digested = os.path.getsize(source), time.perf_counter()
    say({"rate": size / (quantized - begin), "rate_with_digests": size / (digested - begin)})


def sha256(path):
    digest, piece = hashlib.sha256(), memoryview(bytearray(1 << 20))
    with open(path, "rb", buffering=0) as file:
        while read := file.readinto(piece):
            digest.update(piece[:read])
    return digest.hexdigest()


def main():
    if sys.argv[1] == "quantize":
        return quantize(*sys.argv[2:])
    path, threads, prompt, longest = sys.argv[1], *map(int, sys.argv[2:])
    api = Api()
    begin = time.perf_counter()
    contender = Contender(api, path, threads, prompt, longest)
    say({"name": api.name, "version": f"{api.package} {api.version}", "system": api.system,
         "load_seconds": time.perf_counter() - begin})
    for line in sys.stdin:
        match line.split():
            case ["prompt", tokens]:
                say({"rate": contender.prompt_rate(int(tokens))})
            case ["decode", sequences, steps]:
                say({"rate": contender.decode_rate(int(sequences), int(steps))})
            case _:
                say({"error": f"what is {line.strip()!r}?"})


if __name__ == "__main__":
    main()
