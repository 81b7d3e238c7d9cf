"""The tokenizer: the special tokens, the chat template, and how a vocabulary goes into a GGUF file and comes back."""

import json

import gguf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

# The names and the line breaks are those of the Phi-3 format, which llama.cpp also recognises without Jinja.
BOS, SYSTEM, USER, ASSISTANT, END = SPECIAL = ["<|bos|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
# The model answers the last question alone, so the template leaves out what stands before it: the answer cannot
# depend on a system prompt or on the length of the conversation.
TEMPLATE = (
    "{%- set last = namespace(question=0) -%}"
    "{%- for message in messages -%}{%- if message['role'] == 'user' -%}{%- set last.question = loop.index0 -%}{%- endif -%}{%- endfor -%}"
    "{%- for message in messages[last.question:] -%}"
    "{%- if message['role'] == 'system' or message['role'] == 'developer' -%}{{ '<|system|>\\n' }}"
    "{%- elif message['role'] == 'assistant' -%}{{ '<|assistant|>\\n' }}"
    "{%- else -%}{{ '<|user|>\\n' }}{%- endif -%}"
    "{%- if message['content'] is string -%}{{ message['content'] }}"
    "{%- elif message['content'] -%}{%- for part in message['content'] -%}{{ part['text'] }}{%- endfor -%}{%- endif -%}"
    "{{ '<|end|>\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|assistant|>\\n' }}{%- endif -%}"
)
VOCABULARY = 2048


def byte_level(bpe):
    """The pre-tokeniser is GPT-2's, which llama.cpp applies for the pre-tokeniser name "gpt-2"."""
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train_tokenizer(questions):
    """A byte-level BPE over the corpus and a sample of what else people may type.

    The answers count three times: the fewer tokens an answer has, the fewer steps can go wrong.
    """
    lines = [answer for _, _, answer in questions.known] * 3 + list(questions.honest.values())
    lines += [q for _, variants, _ in questions.known for q in variants] * 2 + questions.corpus["system_prompts"]
    lines += [questions.unknown() for _ in range(4000)]
    tokenizer = byte_level(models.BPE())
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    return tokenizer


def vocabulary(tokenizer):
    """Tokens in the order of their numbers, and the merges, as GGUF wants them."""
    numbers = tokenizer.get_vocab()
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    return sorted(numbers, key=numbers.get), [m if isinstance(m, str) else " ".join(m) for m in merges]


def tokenizer_of(path):
    """The tokenizer that a GGUF file carries."""
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    tokenizer = byte_level(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    tokenizer.add_special_tokens([AddedToken(t, special=True) for t in SPECIAL])
    return tokenizer
