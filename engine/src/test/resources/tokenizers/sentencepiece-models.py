"""Makes the tiny SentencePiece models of this folder and what SentencePiece itself makes of texts with them.

    pip install sentencepiece protobuf && python3 sentencepiece-models.py

Each folder gets a tokenizer.model and cases.json: {"text", "ids", "decoded"}, and under "made": [{"ids", "decoded"}],
the text of random ids.
"""

import io
import json
import pathlib
import random

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

HERE = pathlib.Path(__file__).parent

SENTENCES = """\
The quick brown fox jumps over the lazy dog, and the dog does not mind it at all.
A tokenizer cuts a text into pieces; a model has seen exactly these pieces and no others.
def encode(text): return [piece for piece in text.split()]  # 12345 and 67890
In 1984 there were 365.25 days a year, or so it was said; 50% of them rained.
Größere Straßen führen über schöne Brücken nach Köln, München und Zürich.
Le garçon naïf a mangé des crêpes à l'hôtel près de la forêt.
Быстрая коричневая лиса прыгает через ленивую собаку и бежит дальше.
Η γρήγορη καφέ αλεπού πηδάει πάνω από το τεμπέλικο σκυλί.
השועל החום המהיר קופץ מעל הכלב העצלן.
الثعلب البني السريع يقفز فوق الكلب الكسول.
तेज भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।
素早い茶色の狐が怠け者の犬を飛び越える。
敏捷的棕色狐狸跳过了懒狗。
빠른 갈색 여우가 게으른 개를 뛰어넘는다.
สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ
I like 🦊 and 🐕 and 👍🏽 very much 😀
""".splitlines()

TEXTS = [
    "",
    " ",
    "   ",
    "a",
    " a",
    "a ",
    "  a  b   c    ",
    "The quick brown fox",
    " The quick  brown\tfox\n",
    "jumps over\n\nthe lazy\r\ndog",
    "Größere Straßen führen",
    "gro\u0308\u00dfere Stra\u00dfen e\u0301",
    "Le garçon naïf",
    "Быстрая коричневая лиса",
    "Η γρήγορη καφέ αλεπού",
    "השועל החום",
    "الثعلب البني",
    "तेज भूरी लोमड़ी",
    "素早い茶色の狐、ﾊﾝｶｸ",
    "敏捷的棕色狐狸",
    "빠른 갈색 여우",
    "สุนัขจิ้งจอก",
    "🦊 and 👍🏽 and 👩\u200d👩\u200d👦 and 🇩🇪",
    "ꙮ ⁂ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ∀x∈ℝ",
    "ﬁne ½ ① Ⅷ ™ ㎏",
    "non\u00a0breaking\u3000wide\u200bzero\ufeffwidth",
    "literal \u2581 blank\u2581\u2581here",
    "zero\u0000byte",
    "<0x41> and <0x0A> are letters",
    "12345 67890 3.14159",
    "x" * 300,
    "the dog " * 60,
    "=" * 80 + " " * 40 + "end",
    "<ud>",
    "a<ud>b",
    "the <ud> dog<ud><ud> and [x y]z",
    " <ud> ",
    "tabs\t\tand  two   three    four     five spaces",
]

RULES = """\
41\t61
42\t62
e4\t61 65
df\t73 73
65 301\te9
9\t20
a\t20
3000\t20
200b\t
"""

RANDOM_PARTS = [" ", "  ", "\n", "\t", "the", "dog", "fox", "Straßen", "лиса", "αλεπού", "الكلب", "कुत्ते", "狐", "여우", "🦊", "👍🏽",
                "x", "7", "ß", "e\u0301", "ﬁ", ".", ",", "<", "ud>", "<ud>", "\u2581", "é", "Ж", "\U0001f9ff", "ẞ", "ab", "AB"]


def train(folder, **options):
    (HERE / folder).mkdir(exist_ok=True)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES), model_writer=model, hard_vocab_limit=False,
        num_threads=1, minloglevel=2, **options)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    proto.trainer_spec.ClearField("input")
    if folder != "unigram-nfkc":
        proto.normalizer_spec.ClearField("normalization_rule_tsv")
    (HERE / folder / "tokenizer.model").write_bytes(proto.SerializeToString(deterministic=True))
    cases(folder)


def cases(folder):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(HERE / folder / "tokenizer.model"))
    numbers = random.Random(5)
    texts = TEXTS + ["".join(numbers.choice(RANDOM_PARTS) for _ in range(numbers.randint(1, 12))) for _ in range(150)]
    out = {"made_with": "sentencepiece " + sentencepiece.__version__, "texts": [], "made": []}
    for text in texts:
        ids = processor.encode(text)
        out["texts"].append({"text": text, "ids": ids, "decoded": processor.decode(ids)})
    unknown = processor.unk_id()
    for _ in range(150):
        ids = [numbers.randrange(processor.vocab_size()) for _ in range(numbers.randint(1, 10))]
        ids = [i for i in ids if i != unknown]
        out["made"].append({"ids": ids, "decoded": processor.decode(ids)})
    (HERE / folder / "cases.json").write_text(json.dumps(out, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


def main():
    rules = HERE / "rules.tsv"
    rules.write_text(RULES, encoding="utf-8")
    # As Llama 2: spaces are kept, one is put before the text, bytes for the rest.
    train("bpe-llama", model_type="bpe", vocab_size=700, byte_fallback=True, normalization_rule_name="identity",
          remove_extra_whitespaces=False, split_digits=True, character_coverage=0.98, control_symbols=["[INST]"])
    # As Gemma: no space before the text, runs of blanks and lines as pieces of their own.
    train("bpe-gemma", model_type="bpe", vocab_size=700, byte_fallback=True, normalization_rule_name="identity",
          remove_extra_whitespaces=False, add_dummy_prefix=False, character_coverage=0.98, pad_id=0, eos_id=1, bos_id=2, unk_id=3,
          user_defined_symbols=["<ud>", "[x y]", "\n", "\n\n", "\u2581\u2581", "\u2581\u2581\u2581", "\u2581\u2581\u2581\u2581"])
    # Everything at once, without bytes.
    train("bpe-rules", model_type="bpe", vocab_size=600, normalization_rule_tsv=str(rules), character_coverage=0.98,
          user_defined_symbols=["<ud>", "[x y]"])
    train("unigram-nfkc", model_type="unigram", vocab_size=500, normalization_rule_name="nmt_nfkc", character_coverage=0.98)
    train("unigram-bytes", model_type="unigram", vocab_size=700, byte_fallback=True, normalization_rule_name="identity",
          remove_extra_whitespaces=False, character_coverage=0.98, user_defined_symbols=["<ud>", "[x y]"])
    rules.unlink()


if __name__ == "__main__":
    main()
