"""The network: a Llama small enough to live in a repository, its loss, and its GGUF file."""

import os

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import optax

from tokens import BOS, END, SPECIAL, TEMPLATE, vocabulary

WIDTH, LAYERS, HEADS, KV_HEADS, HIDDEN = 192, 4, 6, 2, 384
HEAD = WIDTH // HEADS
CONTEXT, ROPE_BASE, EPSILON = 2048, 10_000.0, 1e-5

# GGUF name of each matrix, and its rows and columns.
MATRICES = {
    "attn_q": (HEADS * HEAD, WIDTH),
    "attn_k": (KV_HEADS * HEAD, WIDTH),
    "attn_v": (KV_HEADS * HEAD, WIDTH),
    "attn_output": (WIDTH, HEADS * HEAD),
    "ffn_gate": (HIDDEN, WIDTH),
    "ffn_up": (HIDDEN, WIDTH),
    "ffn_down": (WIDTH, HIDDEN),
}


def new_weights(seed, tokens):
    keys = iter(jax.random.split(jax.random.PRNGKey(seed), 2 + LAYERS * len(MATRICES)))
    normal = lambda shape, scale: jax.random.normal(next(keys), shape) * scale
    # What is added to the residual stream starts smaller, so that depth does not swell it.
    scale = lambda name, shape: shape[1] ** -0.5 * (0.3 if name in ("attn_output", "ffn_down") else 1.0)
    blocks = [
        {name: normal(shape, scale(name, shape)) for name, shape in MATRICES.items()} | {"attn_norm": jnp.ones(WIDTH), "ffn_norm": jnp.ones(WIDTH)}
        for _ in range(LAYERS)
    ]
    return {"token_embd": normal((tokens, WIDTH), 0.02), "output": normal((tokens, WIDTH), 0.02), "output_norm": jnp.ones(WIDTH), "blocks": blocks}


def rms_norm(x, gain):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + EPSILON) * gain


def rotate(x, cos, sin):
    """RoPE over neighbouring pairs, which is how llama.cpp rotates the "llama" architecture."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return jnp.stack([even * cos - odd * sin, even * sin + odd * cos], -1).reshape(x.shape)


def attend(block, x, cos, sin, mask):
    rows, width, _ = x.shape
    q = rotate((x @ block["attn_q"].T).reshape(rows, width, HEADS, HEAD), cos, sin)
    k = rotate((x @ block["attn_k"].T).reshape(rows, width, KV_HEADS, HEAD), cos, sin)
    v = (x @ block["attn_v"].T).reshape(rows, width, KV_HEADS, HEAD)
    q = q.reshape(rows, width, KV_HEADS, HEADS // KV_HEADS, HEAD)
    scores = jnp.einsum("btkgh,bskh->bkgts", q, k) * HEAD**-0.5
    shares = jax.nn.softmax(jnp.where(mask[:, None, None], scores, -1e9), -1)
    return jnp.einsum("bkgts,bskh->btkgh", shares, v).reshape(rows, width, -1) @ block["attn_output"].T


def states(weights, tokens, positions, segments):
    """What the last block knows at each token; the output matrix makes the guess of the next token from it."""
    width = tokens.shape[1]
    mask = jnp.tril(jnp.ones((width, width), bool)) & (segments[:, :, None] == segments[:, None, :])
    angles = positions[..., None] * ROPE_BASE ** (-jnp.arange(0, HEAD, 2) / HEAD)
    cos, sin = jnp.cos(angles)[:, :, None], jnp.sin(angles)[:, :, None]
    x = weights["token_embd"][tokens]
    for block in weights["blocks"]:
        x = x + attend(block, rms_norm(x, block["attn_norm"]), cos, sin, mask)
        y = rms_norm(x, block["ffn_norm"])
        x = x + (jax.nn.silu(y @ block["ffn_gate"].T) * (y @ block["ffn_up"].T)) @ block["ffn_down"].T
    return rms_norm(x, weights["output_norm"])


def loss(weights, tokens, positions, taught, segments):
    """Only what the model has to say itself is learned: questions are endless, and no capacity goes into them."""
    known = states(weights, tokens, positions, segments)[:, :-1].reshape(-1, WIDTH)
    # The output matrix is a fifth of the work, so it meets only the tokens that count; there are seldom more than half.
    (places,) = jnp.nonzero(taught[:, 1:].reshape(-1), size=len(known) * 11 // 20, fill_value=len(known))
    guesses = known.at[places].get(mode="fill", fill_value=0) @ weights["output"].T
    right = tokens[:, 1:].reshape(-1).at[places].get(mode="fill", fill_value=0)
    losses = optax.softmax_cross_entropy_with_integer_labels(guesses, right)
    weight = taught[:, 1:].reshape(-1).at[places].get(mode="fill", fill_value=0)
    return (losses * weight).sum() / jnp.maximum(weight.sum(), 1)


def write_gguf(path, weights, tokenizer):
    """Written beside its place and renamed, so that a reader never meets half a file."""
    partial = path.with_suffix(".part")
    out = gguf.GGUFWriter(partial, "llama")
    write_facts(out, len(weights["token_embd"]))
    write_tokenizer(out, tokenizer)
    for name in ("token_embd", "output"):
        out.add_tensor(f"{name}.weight", np.asarray(weights[name], np.float16))
    out.add_tensor("output_norm.weight", np.asarray(weights["output_norm"], np.float32))
    for i, block in enumerate(weights["blocks"]):
        for name, value in block.items():
            out.add_tensor(f"blk.{i}.{name}.weight", np.asarray(value, np.float16 if value.ndim == 2 else np.float32))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    os.replace(partial, path)


def read_weights(path):
    """The weights of a GGUF file that this module wrote, to go on training from them."""
    tensors = {t.name.removesuffix(".weight"): jnp.asarray(t.data, jnp.float32) for t in gguf.GGUFReader(path).tensors}
    names = [*MATRICES, "attn_norm", "ffn_norm"]
    blocks = [{name: tensors[f"blk.{i}.{name}"] for name in names} for i in range(LAYERS)]
    return {name: tensors[name] for name in ("token_embd", "output", "output_norm")} | {"blocks": blocks}


def write_facts(out, tokens):
    out.add_name("pilot-light")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(HIDDEN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(KV_HEADS)
    out.add_layer_norm_rms_eps(EPSILON)
    out.add_rope_dimension_count(HEAD)
    out.add_rope_freq_base(ROPE_BASE)
    out.add_vocab_size(tokens)
    out.add_file_type(gguf.LlamaFileType.MOSTLY_F16)


def write_tokenizer(out, tokenizer):
    tokens, merges = vocabulary(tokenizer)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("gpt-2")
    out.add_token_list(tokens)
    out.add_token_types([gguf.TokenType.CONTROL if t in SPECIAL else gguf.TokenType.NORMAL for t in tokens])
    out.add_token_merges(merges)
    out.add_bos_token_id(tokens.index(BOS))
    out.add_eos_token_id(tokens.index(END))
    out.add_eot_token_id(tokens.index(END))
    out.add_add_bos_token(True)
    out.add_chat_template(TEMPLATE)
