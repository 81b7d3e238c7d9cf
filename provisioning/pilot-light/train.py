"""Train the pilot light and write it as GGUF.

    python3 -m venv venv && venv/bin/pip install -r requirements.txt
    nice -n 5 venv/bin/python train.py                      # tens of minutes on two CPU cores
    venv/bin/python train.py --steps 300 --out /tmp/x.gguf  # a quick, weaker one

    venv/bin/python train.py --resume pilot-light.gguf --seed 8 --rate 0.2 --steps 300  # after a small change of the corpus

The model is written at every checkpoint, so a run that is stopped leaves a usable file.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import jax
import numpy as np
import optax
from optax import contrib

from conversations import Batches, Conversations
from network import loss, new_weights, read_weights, write_gguf
from tokens import tokenizer_of


def optimizer(steps, rate):
    """Muon for the matrices of the blocks, Adam for the rest."""
    adam = optax.warmup_cosine_decay_schedule(0, 2e-3 * rate, 20, steps, 2e-5)
    muon = optax.warmup_cosine_decay_schedule(0, 2e-2 * rate, 20, steps, 1e-4)
    split = lambda weights: {
        name: [{k: "muon" if v.ndim == 2 else "adam" for k, v in block.items()} for block in value] if name == "blocks" else "adam"
        for name, value in weights.items()
    }
    rules = {"muon": contrib.muon(muon, weight_decay=0.01), "adam": optax.adamw(adam, b2=0.98, weight_decay=0.0)}
    return optax.chain(optax.clip_by_global_norm(1.0), optax.partition(rules, split))


@partial(jax.jit, static_argnums=0, donate_argnums=(1, 2))
def step(rule, weights, state, batch):
    value, gradient = jax.value_and_grad(loss)(weights, *batch)
    change, state = rule.update(gradient, state, weights)
    return optax.apply_updates(weights, change), state, value


def begin(resume, seed):
    """Fresh weights and a fresh tokenizer, or both as a GGUF file holds them."""
    if resume:
        return Conversations(np.random.default_rng(seed), tokenizer_of(resume)), read_weights(resume)
    conversations = Conversations(np.random.default_rng(seed))
    return conversations, new_weights(seed, conversations.tokenizer.get_vocab_size())


def train(steps, out, checkpoint_every, resume, rate, seed):
    conversations, weights = begin(resume, seed)
    batches = Batches(conversations)
    rule = optimizer(steps, rate)
    state = rule.init(weights)
    print("parameters", sum(w.size for w in jax.tree.leaves(weights)))
    started, recent = time.monotonic(), []
    for i in range(1, steps + 1):
        weights, state, value = step(rule, weights, state, batches.next())
        recent.append(float(value))
        if i % 50 == 0:
            print(f"step {i} loss {np.mean(recent):.4f} after {time.monotonic() - started:.0f} s", flush=True)
            recent = []
        if i % checkpoint_every == 0 or i == steps:
            write_gguf(out, weights, conversations.tokenizer)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "pilot-light.gguf")
    parser.add_argument("--checkpoint-every", type=int, default=400)
    parser.add_argument("--resume", type=Path)
    parser.add_argument("--rate", type=float, default=1.0, help="multiplies the learning rates; lower it to go on from a trained model")
    parser.add_argument("--seed", type=int, default=7, help="another one for each resumed run, or it repeats questions that the model has seen")
    arguments = parser.parse_args()
    train(arguments.steps, arguments.out, arguments.checkpoint_every, arguments.resume, arguments.rate, arguments.seed)


if __name__ == "__main__":
    main()
