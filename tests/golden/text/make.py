"""Golden values of texts: tokens, rendered chats, what of them is learnt, ROUGE, Porter's stems and scores.

    python tests/golden/text/make.py

writes bpe.json, wordpiece.json and metaspace.json (small tokenizers, trained here on a few sentences, if they are not there) and encodings.json,
chats.json, rouge.json, stems.json and scores.json beside this file. Made with transformers 4.57.1, tokenizers 0.22.2, jinja2 3.1.6,
rouge_score 0.1.2, nltk 3.10.4 and zlib 1.2.13; nothing is random but the log-probabilities of scores.json, seed 20240516.

The chat templates in templates/ are our own, in the style of those that models bring: the same shape of turns, the same tests.
"""

import json
import pathlib
import zlib

import numpy as np
from nltk.stem.porter import PorterStemmer
from rouge_score import rouge_scorer
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

HERE = pathlib.Path(__file__).parent
SENTENCES = [
    "The capital of France is Paris, and the river that runs through it is the Seine.",
    "Who are you, and who made you? I am a small assistant that was made for tests.",
    "I still have not received my new card; I ordered it over a week ago!",
    "Basil Mahfouz Al-Kuwaiti writes books about history in Kuwait City.",
    "Don't forget: 3.14 is less than 22/7, but more than 3.",
    "Français, Größe, naïve café, 東京タワー, 안녕하세요, emoji 🙂 and 👩‍🚀.",
    "Classify the text. Labels: card arrival, card linking, exchange rate.",
]
TEXTS = SENTENCES + [
    "  Two leading spaces,\ttabs\nand lines.\r\n\n",
    "don’t won't JEAN-LUC 1,000.50 e-mail@example.org",
    "unseen ŁÓDŹ ☃ ﬁne e\u0301clair",
    "x",
    "a<|end|>b",
]


def write(name, value):
    (HERE / name).write_text(json.dumps(value, separators=(",", ":"), ensure_ascii=False) + "\n", encoding="utf-8")


def special(*texts):
    return [AddedToken(text, special=True, normalized=False) for text in texts]


def bpe():
    """Byte level, as GPT-2, Llama 3 and Qwen."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(
            pattern=__import__("tokenizers").Regex(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            ),
            behavior="isolated",
        ),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    trainer = trainers.BpeTrainer(
        vocab_size=420, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False,
        special_tokens=special("<|begin|>", "<|end|>", "<|start|>", "<|turn|>", "<|pad|>"),
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def wordpiece():
    """As BERT."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=260, show_progress=False, special_tokens=special("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", tokenizer.token_to_id("[CLS]")), ("[SEP]", tokenizer.token_to_id("[SEP]"))],
    )
    # What a file asks for and must not get.
    tokenizer.enable_truncation(6)
    tokenizer.enable_padding(length=12, pad_id=tokenizer.token_to_id("[PAD]"), pad_token="[PAD]")
    return tokenizer


def metaspace():
    """As Llama 2: SentencePiece's BPE with bytes for what it does not know."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(
        vocab_size=420, show_progress=False, special_tokens=special("<unk>", "<s>", "</s>") + [f"<0x{b:02X}>" for b in range(256)]
    )
    tokenizer.train_from_iterator(SENTENCES[:5], trainer)
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1, right=0)
    ])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return tokenizer


SPECIALS = {
    "bpe": dict(bos_token="<|begin|>", eos_token="<|end|>", pad_token="<|pad|>"),
    "wordpiece": dict(
        pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]"
    ),
    "metaspace": dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>"),
}
MAKERS = {"bpe": bpe, "wordpiece": wordpiece, "metaspace": metaspace}


def byte_offsets(text, offsets):
    """transformers counts characters, we count bytes."""
    at = [0]
    for character in text:
        at.append(at[-1] + len(character.encode()))
    return [[at[start], at[end]] for start, end in offsets]


def encodings(tokenizers):
    cases = []
    for name, tokenizer in tokenizers.items():
        for text in TEXTS:
            for add in (True, False):
                encoding = tokenizer(text, add_special_tokens=add, return_offsets_mapping=True)
                ids = encoding["input_ids"]
                cases.append({
                    "tokenizer": name, "text": text, "add_special": add, "ids": ids,
                    "offsets": byte_offsets(text, encoding["offset_mapping"]),
                    "decoded": tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False),
                })
    write("encodings.json", cases)


def chat(*turns):
    return [{"role": role, "content": content} for role, content in turns]


CHATS = {
    "one": chat(("user", "Who are you?")),
    "answered": chat(("user", "Who are you?"), ("assistant", "I am a small assistant.")),
    "system": chat(("system", "Be brief."), ("user", "Where is Paris?"), ("assistant", "In France.")),
    "many": chat(
        ("system", "Be brief."), ("user", "Who are you?"), ("assistant", "  I am a small assistant. \n"),
        ("user", "And who made you? 🙂"), ("assistant", "It's \"secret\" & <b>bold</b>."), ("user", "Why?"),
        ("assistant", "Don't ask."),
    ),
    "same": chat(("user", "yes"), ("assistant", "yes"), ("user", "yes"), ("assistant", "yes")),
    "odd": chat(("assistant", "I begin."), ("user", "No, I do.")),
    "marks": chat(("user", "Say <|turn|>user and </s>."), ("assistant", "{{ no }} {% if %}")),
}


def chats(tokenizers):
    cases = []
    # transformers marks nothing at all where an answer begins with white space that the offsets leave out.
    untrimmed = Tokenizer.from_file(str(HERE / "bpe.json"))
    untrimmed.post_processor = processors.ByteLevel(trim_offsets=False)
    exact = PreTrainedTokenizerFast(tokenizer_object=untrimmed, **SPECIALS["bpe"])
    for path in sorted((HERE / "templates").glob("*.jinja")):
        template = path.read_text()
        for name, messages in CHATS.items():
            for generation in (False, True):
                tokenizer = tokenizers["metaspace" if path.stem in ("mistral", "zephyr", "vicuna") else "bpe"]
                case = {"template": path.stem, "chat": name, "messages": messages, "generation": generation}
                try:
                    case["text"] = tokenizer.apply_chat_template(
                        messages, chat_template=template, tokenize=False, add_generation_prompt=generation
                    )
                except Exception as error:  # what the template raises
                    case["error"] = str(error)
                else:
                    if path.stem == "tracked" and not generation:
                        encoded = exact.apply_chat_template(
                            messages, chat_template=template, return_dict=True, return_assistant_tokens_mask=True
                        )
                        case["ids"], case["mask"] = encoded["input_ids"], encoded["assistant_masks"]
                cases.append(case)
    write("chats.json", cases)


PAIRS = [
    ("The quick brown fox jumps over the lazy dog.", "A quick brown dog jumps on the log."),
    ("police killed the gunman", "the gunman police killed"),
    ("Basil Al-Kuwaiti was born in Kuwait City on 08/09/1956.", "He was born in Kuwait City."),
    ("dying lying studies flies running hoping relational", "die lie study fly run hope relate"),
    ("", "anything"), ("anything", ""), ("ÄÖÜ é", "é ÄÖÜ x"), ("x x x y", "x y y x x"), ("İstanbul", "istanbul"),
    ("don't stop believing", "do not stop believing"),
]


def rouge():
    cases = []
    for stem in (False, True):
        scorer = rouge_scorer.RougeScorer(["rouge1", "rougeL"], use_stemmer=stem)
        for target, answer in PAIRS:
            scores = scorer.score(target, answer)
            cases.append({
                "target": target, "answer": answer, "stem": stem,
                "rouge_1": list(scores["rouge1"]), "rouge_l": list(scores["rougeL"]),
            })
    write("rouge.json", cases)


def stems():
    stemmer = PorterStemmer()
    roots = (
        "relate rational option valence hesitant digitize conform radical differ vile analogous vietnamize predicate operate feudal "
        "decisive hopeful callous formal sensitive sensible triplicate form electric good revive allow infer airline gyroscope adjust "
        "defend irritate replace adopt homolog commune activate angular effective bowdlerize probate rate cease control roll tan "
        "fall hiss fizz fail file happy sky cry toy by say enjoy die lie tie spy apply geology theology archaeology fully really "
        "actually usually news inning outing proceed succeed exceed agree feed plaster bled motor sing conflate trouble size hop "
        "caress pony tie cat abilities visible able yy yyy yes y ion onion mission nation"
    ).split()
    endings = (
        "'' s es ed ing ly y ies ied er est al ally ational tional ization ation ator alism iveness fulness ousness aliti iviti biliti "
        "ibility ability icate ative alize icity ical ful ness ance ence able ible ant ement ment ent ion ou ism ate ity ous ive ize "
        "fully logy bly e ee eed l ll"
    ).split()
    words = sorted({root + ending.strip("'") for root in roots for ending in endings})
    write("stems.json", [[word, stemmer.stem(word)] for word in words[::3]])


def scores():
    generator = np.random.default_rng(20240516)
    cases = []
    for length in (1, 2, 7, 40):
        logits = generator.normal(0, 2, (length, 50))
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        tokens = generator.integers(0, 50, length)
        token = log_p[np.arange(length), tokens]
        p = np.exp(log_p)
        mean = (p * log_p).sum(axis=1)
        variance = (p * log_p**2).sum(axis=1) - mean**2
        standard = (token - mean) / np.sqrt(variance)
        lowest = lambda values, k: float(np.sort(values)[: max(1, int(k * length))].mean())
        cases.append({
            "log_p": log_p.ravel().tolist(), "tokens": tokens.tolist(),
            "min_k": {str(k): lowest(token, k) for k in (0.1, 0.2, 0.4, 1.0)},
            "min_k_plus_plus": {str(k): lowest(standard, k) for k in (0.1, 0.2, 0.4, 1.0)},
            "probability": float(np.exp(token.mean())),
        })
    texts = TEXTS + ["", "a" * 5000, " ".join(SENTENCES * 3), "".join(chr(33 + (i * i) % 90) for i in range(4000))]
    write("scores.json", {"cases": cases, "zlib": [[text, len(zlib.compress(text.encode()))] for text in texts]})


def main():
    tokenizers = {}
    for name, maker in MAKERS.items():
        path = HERE / f"{name}.json"
        # Training breaks ties by the order of a hash map, so that it is done once.
        if not path.exists():
            maker().save(str(path), pretty=False)
        tokenizers[name] = PreTrainedTokenizerFast(tokenizer_file=str(path), **SPECIALS[name])
    encodings(tokenizers)
    chats(tokenizers)
    rouge()
    stems()
    scores()


if __name__ == "__main__":
    main()
