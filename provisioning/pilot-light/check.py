"""Check the pilot light with the real llama.cpp, and write the self-test vectors that the box compares at run time.

    venv/bin/python check.py                        # every figure of the README, a few minutes
    venv/bin/python check.py --quick                # a fraction of it, at each part
    venv/bin/python check.py --write-known-answers  # known-answers.json, refused unless every answer is right

Ends with status 1 when a canonical question is answered otherwise than word for word.
"""

import argparse
import json
import os
import sys
from pathlib import Path

import jinja2
import llama_cpp
import numpy as np

from questions import HERE, Questions, language, load
from tokens import tokenizer_of

UNSEEN_SYSTEM_PROMPT = "You work for Lakeside Clinic. Keep every reply under fifty words and never mention competitors."
LONGEST_ANSWER = 400


class Model:
    """The GGUF in llama.cpp, greedy, with the template that the file carries."""

    def __init__(self, path):
        self.llama = llama_cpp.Llama(str(path), n_ctx=2048, n_threads=1, verbose=False)
        metadata = self.llama.metadata
        self.template = jinja2.Environment().from_string(metadata["tokenizer.chat_template"])
        self.pieces = [self.llama.detokenize([i]) for i in range(self.llama.n_vocab())]
        self.end = self.llama.token_eos()

    def tokens(self, messages, begun=""):
        text = self.template.render(messages=messages, add_generation_prompt=True)
        return self.llama.tokenize((text + begun).encode(), add_bos=True, special=True)

    def logits(self, tokens):
        self.llama.eval(tokens)
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits(self.llama.ctx), (len(self.pieces),))

    def answer(self, messages, begun="", heal=False):
        """What follows `begun`. Healing gives back the last token and demands its text from what is said instead."""
        tokens, owed = self.tokens(messages, begun), b""
        if heal and begun:
            owed = self.pieces[tokens.pop()]
        self.llama.reset()
        logits, said, healed = self.logits(tokens), b"", owed
        for _ in range(LONGEST_ANSWER):
            token = self.best(logits, owed)
            if token == self.end:
                break
            said += self.pieces[token]
            owed = owed[len(self.pieces[token]) :]
            logits = self.logits([token])
        return said[len(healed) :].decode(errors="replace")

    def best(self, logits, owed):
        if not owed:
            return int(logits.argmax())
        fits = [bool(p) and (p.startswith(owed) or owed.startswith(p)) for p in self.pieces]
        return int(np.where(fits, logits, -np.inf).argmax())


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


class Check:
    def __init__(self, path, quick):
        self.path, self.model, self.rng = path, Model(path), np.random.default_rng(1)
        self.questions = Questions(self.rng)
        self.honest = self.questions.honest
        self.stride = 7 if quick else 1
        self.texts = {answer for _, _, answer in self.questions.known} | set(self.honest.values())
        self.canonical = [(questions[0], answer) for _, questions, answer in self.questions.known]

    def report(self, what, cases):
        """Each case is the messages, what the answer should be, and what else may be said of it."""
        cases = list(cases)[:: self.stride]
        right, garbled, wrong = 0, 0, []
        for messages, wanted in cases:
            said = self.model.answer(messages)
            right += said == wanted
            garbled += said not in self.texts
            if said != wanted:
                wrong.append((messages[-1]["content"], said))
        print(f"{what}: {right} of {len(cases)} ({100 * right / len(cases):.1f} %), garbled {garbled}", flush=True)
        for question, said in wrong[:5]:
            print(f"    {question[:90]!r} -> {said[:90]!r}")
        return right == len(cases)

    def tokenisation(self):
        ours = tokenizer_of(self.path)
        texts = [t for _, questions, answer in self.questions.known for t in [*questions, answer]]
        texts += [self.questions.unknown() for _ in range(2000)] + self.questions.corpus["system_prompts"]
        texts += [q for questions in load("held-out.json")["distractors"].values() for q in questions]
        same = sum(ours.encode(t).ids == self.model.llama.tokenize(t.encode(), add_bos=False, special=True) for t in texts)
        print(f"tokenised by llama.cpp as in training: {same} of {len(texts)}")

    def known(self):
        right = self.report("canonical questions", (([user(q)], a) for q, a in self.canonical))
        variants = [([user(q)], a) for _, questions, a in self.questions.known for q in questions[1:]]
        self.report("other wordings of the corpus", variants)
        noisy = [([user(self.questions.reshape(q, language(q)))], a) for q, a in self.canonical]
        self.report("canonical questions with noise (case, typing slips, politeness)", noisy)
        return right

    def conversations(self):
        prompts = [*self.questions.corpus["system_prompts"], UNSEEN_SYSTEM_PROMPT]
        system = lambda text: {"role": "system", "content": text}
        drawn = (([system(self.questions.pick(prompts)), user(q)], a) for q, a in self.canonical)
        self.report("with a system prompt", drawn)
        self.report("with an unseen system prompt", (([system(UNSEEN_SYSTEM_PROMPT), user(q)], a) for q, a in self.canonical))
        self.report("after 1 to 3 earlier turns", ((self.earlier(1, 4) + [user(q)], a) for q, a in self.canonical))
        self.report("after about 1,500 tokens of earlier turns", ((self.long_past() + [user(q)], a) for q, a in self.canonical[::3]))

    def earlier(self, least, below):
        messages = []
        for _ in range(self.rng.integers(least, below)):
            question, answer = self.questions.known_pair() if self.questions.chance(0.5) else self.questions.unknown_pair()
            if self.questions.chance(0.4):
                answer = self.questions.prose(language(question))
            messages += [user(question), assistant(answer)]
        return messages

    def long_past(self):
        messages = []
        # Counted over the texts, because the template leaves earlier turns out.
        while sum(len(self.model.llama.tokenize(m["content"].encode())) for m in messages) < 1500:
            messages += self.earlier(1, 2)
        return messages

    def declined(self):
        held_out = load("held-out.json")
        for lang, questions in held_out["distractors"].items():
            self.report(f"held-out questions declined honestly, {lang}", (([user(q)], self.honest[language(q)]) for q in questions))
        drawn = [self.questions.unknown_pair() for _ in range(300)]
        self.report("freshly drawn unknown questions declined", (([user(q)], a) for q, a in drawn))
        for lang, pairs in held_out["near_misses"].items():
            self.near_misses(lang, pairs)

    def near_misses(self, lang, pairs):
        answers = {entry["id"]: entry[lang]["answer"] for entry in self.questions.corpus["entries"]}
        counts = {"right": 0, "honest": 0, "another answer": 0, "garbled": 0}
        for known, question in pairs:
            said = self.model.answer([user(question)])
            kind = "right" if said == answers[known] else "honest" if said in self.honest.values() else "another answer" if said in self.texts else "garbled"
            counts[kind] += 1
            if kind in ("another answer", "garbled"):
                print(f"    {question[:90]!r} -> {said[:90]!r}")
        print(f"near misses, {lang}: {counts}", flush=True)

    def continued(self):
        cases = [(q, a, int(self.rng.integers(1, len(a)))) for q, a in self.canonical for _ in range(3)][:: self.stride]
        for heal in (False, True):
            right = sum(self.model.answer([user(q)], a[:cut], heal) == a[cut:] for q, a, cut in cases)
            print(f"answers continued from any character, {'healed' if heal else 'not healed'}: {right} of {len(cases)} ({100 * right / len(cases):.1f} %)", flush=True)
        foreign = []
        for question, _ in self.canonical[:: self.stride]:
            text = self.questions.prose(language(question))
            foreign.append((question, text[: self.rng.integers(min(20, len(text)), len(text) + 1)]))
        honest = sum(self.model.answer([user(q)], text, True).endswith("\n\n" + self.honest[language(q)]) for q, text in foreign)
        print(f"another model's half answer ended by the honest sentence: {honest} of {len(foreign)}")

    def write_known_answers(self):
        declined = [(held[0], self.honest[lang]) for lang, held in load("held-out.json")["distractors"].items()]
        vectors = [{"question": q, "answer": a} for q, a in self.canonical + declined]
        wrong = [v["question"] for v in vectors if self.model.answer([user(v["question"])]) != v["answer"]]
        if wrong:
            sys.exit(f"known-answers.json is left as it is, because these are answered otherwise: {wrong}")
        place = HERE / "known-answers.json"
        partial = place.with_suffix(".part")
        partial.write_text(json.dumps(vectors, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        os.replace(partial, place)
        print(f"{len(vectors)} known answers written")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=HERE / "pilot-light.gguf")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--write-known-answers", action="store_true")
    arguments = parser.parse_args()
    check = Check(arguments.model, arguments.quick)
    if arguments.write_known_answers:
        return check.write_known_answers()
    check.tokenisation()
    right = check.known()
    check.conversations()
    check.declined()
    check.continued()
    sys.exit(0 if right else 1)


if __name__ == "__main__":
    main()
