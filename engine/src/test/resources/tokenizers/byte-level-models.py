"""Makes the tiny byte-level models of this folder, vocab.json with merges.txt alone, and what transformers makes of texts with them.

    pip install transformers tokenizers sentencepiece && python3 byte-level-models.py
"""

import importlib.util
import json
import pathlib
import random

import transformers
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
TEXTS_OF = importlib.util.spec_from_file_location("texts", HERE / "sentencepiece-models.py")
texts_of = importlib.util.module_from_spec(TEXTS_OF)
TEXTS_OF.loader.exec_module(texts_of)


def make(folder, cls, config, added):
    target = HERE / folder
    target.mkdir(exist_ok=True)
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.train_from_iterator(
        texts_of.SENTENCES, trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(trained.to_str())["model"]
    vocab = dict(model["vocab"])
    vocab["<|endoftext|>"] = len(vocab)
    (target / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False), encoding="utf-8")
    merges = [" ".join(m) if isinstance(m, list) else m for m in model["merges"]]
    (target / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    if config:
        decoder = {str(len(vocab) + i): {"content": a.content, "lstrip": a.lstrip, "rstrip": a.rstrip, "normalized": a.normalized,
                                         "single_word": a.single_word, "special": a.special} for i, a in enumerate(added)}
        (target / "tokenizer_config.json").write_text(
            json.dumps({**config, "added_tokens_decoder": {str(vocab["<|endoftext|>"]): {"content": "<|endoftext|>", "special": True}, **decoder}},
                       ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    tokenizer = cls(vocab=vocab, merges=[tuple(m.split(" ")) for m in merges])
    tokenizer.add_tokens(added)
    numbers = random.Random(8)
    parts = texts_of.RANDOM_PARTS + ["<|endoftext|>", " <|im_start|> ", "<tool>", "don't", "I'LL", "12345", "\r\n", "A\u0308"]
    texts = texts_of.TEXTS + ["".join(numbers.choice(parts) for _ in range(numbers.randint(1, 12))) for _ in range(150)]
    cases = {"made_with": "transformers " + transformers.__version__, "texts": []}
    for text in texts:
        ids = tokenizer.encode(text)
        cases["texts"].append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)})
    (target / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


ADDED = [AddedToken("<|im_start|>", special=True, normalized=False), AddedToken("<|im_end|>", special=True, normalized=False, lstrip=True, rstrip=True),
         AddedToken("<tool>", special=False, normalized=False)]
make("byte-gpt2", transformers.GPT2Tokenizer, None, [])
make("byte-qwen2", transformers.Qwen2Tokenizer, {"tokenizer_class": "Qwen2Tokenizer", "bos_token": None, "eos_token": "<|im_end|>",
                                                  "add_prefix_space": False, "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]}, ADDED)
