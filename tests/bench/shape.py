"""Writes a GGUF of a real model's shape with random weights: real speed, no sense.

    shape.py SHAPE VOCABULARY.gguf OUT.gguf

SHAPE is 0.5b (Qwen2.5-0.5B) or 8b (Llama 3.1 8B); VOCABULARY.gguf is `ggml-vocab-qwen2.gguf` or `ggml-vocab-llama-bpe.gguf`
of llama.cpp's own models, whose tokens are the real ones. The weights are Q8_0; `llama-quantize --allow-requantize` makes
them smaller. The same shape gives the same bytes.
"""

import sys

import gguf
import numpy as np
from gguf import GGMLQuantizationType

SHAPES = {
    "0.5b": dict(kind="qwen2", width=896, layers=24, heads=14, kv_heads=2, ffn=4864, base=1e6, bias=True),
    "8b": dict(kind="llama", width=4096, layers=32, heads=32, kv_heads=8, ffn=14336, base=5e5, bias=False),
}
CONTEXT = 32768
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def main(name: str, vocabulary: str, out: str) -> None:
    shape = SHAPES[name]
    writer = gguf.GGUFWriter(out, shape["kind"])
    head(writer, name, shape)
    tokens = words(writer, gguf.GGUFReader(vocabulary))
    weights(writer, shape, tokens)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def head(writer: gguf.GGUFWriter, name: str, shape: dict) -> None:
    writer.add_name(f"shape-{name}")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["ffn"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_rope_dimension_count(shape["width"] // shape["heads"])
    writer.add_rope_freq_base(shape["base"])
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)


def words(writer: gguf.GGUFWriter, vocabulary: gguf.GGUFReader) -> int:
    def value(key: str):
        return vocabulary.fields[f"tokenizer.ggml.{key}"].contents()

    tokens = value("tokens")
    numbers = {token: number for number, token in enumerate(tokens)}
    ends = [mark for mark in ("<|im_end|>", "<|eot_id|>", "<|end_of_text|>") if mark in numbers]
    writer.add_tokenizer_model(value("model"))
    writer.add_tokenizer_pre(value("pre"))
    writer.add_token_list(tokens)
    writer.add_token_types(value("token_type"))
    writer.add_token_merges(value("merges"))
    writer.add_eos_token_id(numbers[ends[0]])
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    return len(tokens)


def weights(writer: gguf.GGUFWriter, shape: dict, tokens: int) -> None:
    dice = np.random.default_rng(0)
    width, ffn = shape["width"], shape["ffn"]
    kv_width = width // shape["heads"] * shape["kv_heads"]

    def matrix(name: str, rows: int, columns: int) -> None:
        values = dice.standard_normal((rows, columns), dtype=np.float32) * 0.02
        packed = gguf.quants.quantize(values, GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, packed, raw_dtype=GGMLQuantizationType.Q8_0)

    def vector(name: str, size: int, value: float) -> None:
        writer.add_tensor(name, np.full(size, value, np.float32))

    matrix("token_embd.weight", tokens, width)
    vector("output_norm.weight", width, 1)
    if shape["kind"] == "llama":
        matrix("output.weight", tokens, width)
    for layer in range(shape["layers"]):
        block = f"blk.{layer}."
        vector(block + "attn_norm.weight", width, 1)
        vector(block + "ffn_norm.weight", width, 1)
        for part, rows in (("attn_q", width), ("attn_k", kv_width), ("attn_v", kv_width)):
            matrix(f"{block}{part}.weight", rows, width)
            if shape["bias"]:
                vector(f"{block}{part}.bias", rows, 0)
        matrix(block + "attn_output.weight", width, width)
        matrix(block + "ffn_gate.weight", ffn, width)
        matrix(block + "ffn_up.weight", ffn, width)
        matrix(block + "ffn_down.weight", width, ffn)


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in SHAPES:
        sys.exit(__doc__)
    main(*sys.argv[1:])
