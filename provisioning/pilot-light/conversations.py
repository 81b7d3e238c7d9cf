"""Conversations as token rows: system prompts, earlier turns, answers cut at random places, packed into batches."""

import numpy as np

from questions import Questions, language
from tokens import ASSISTANT, BOS, END, USER, train_tokenizer

# An answer is chosen by its first tokens and recited from then on, so the choice must weigh as much as the reciting.
CHOICE_TOKENS, CHOICE_WEIGHT = 3, 5.0


class Conversation:
    """Tokens, the position of each, and how much each weighs in training: nothing, where it is not the model's own to say."""

    def __init__(self, tokenizer):
        self.encode = lambda text: tokenizer.encode(text).ids
        self.tokens, self.positions, self.taught = [], [], []
        self.next_position = 0

    def add(self, text, taught=False):
        ids = self.encode(text)
        self.tokens += ids
        self.taught += [(CHOICE_WEIGHT if i < CHOICE_TOKENS else 1.0) if taught else 0.0 for i in range(len(ids))]
        self.positions += range(self.next_position, self.next_position + len(ids))
        self.next_position += len(ids)


class Conversations:
    """Composes conversations of every shape that the engine may hand to the model."""

    def __init__(self, rng, tokenizer=None):
        self.rng = rng
        self.questions = Questions(rng)
        self.tokenizer = tokenizer or train_tokenizer(self.questions)

    def draw(self):
        """One question and its answer: the chat template shows the model nothing else of a conversation."""
        talk = Conversation(self.tokenizer)
        # Engines differ on whether they add the beginning token once, twice or never.
        talk.add(self.questions.pick([BOS] * 10 + ["", BOS + BOS]))
        self.last_turn(talk)
        return talk

    def pair(self):
        return self.questions.known_pair() if self.questions.chance(0.62) else self.questions.unknown_pair()

    def ask(self, talk, question):
        talk.add(f"{USER}\n{question}{END}\n{ASSISTANT}\n")

    def last_turn(self, talk):
        q = self.questions
        question, answer = self.pair()
        shape = self.rng.random()
        self.ask(talk, question)
        if shape < 0.62:
            talk.add(answer + END, taught=True)
        elif shape < 0.80:
            self.begun(talk, answer, least=0)
        elif shape < 0.86:
            # An answer once begun goes on by its own text, whatever was asked: half-right answers cannot mix.
            self.begun(talk, q.pick(q.known)[2] if q.chance(0.8) else q.pick(list(q.honest.values())), least=14)
        else:
            # Another model's half answer cannot be finished by heart, so the honest sentence follows on a new line.
            text = q.foreign(language(question))
            talk.add(text[: self.rng.integers(8, len(text) + 1)])
            talk.add("\n\n" + q.honest[language(question)] + END, taught=True)

    def begun(self, talk, answer, least):
        """Cut at any character and tokenise both sides apart, as happens when an answer is handed over half-said."""
        cut = int(self.rng.integers(min(least, len(answer) - 1), len(answer)))
        talk.add(answer[:cut])
        talk.add(answer[cut:] + END, taught=True)


class Batches:
    """Packs conversations into rows; the segment number keeps neighbours in a row from seeing each other.

    Short conversations share rows of 256 tokens, because attention costs the square of the row.
    """

    shapes = ((12, 256), (6, 512), (3, 1024))

    def __init__(self, conversations):
        self.conversations = conversations
        self.open = [self.empty(shape) for shape in self.shapes]

    @staticmethod
    def empty(shape):
        return {"tokens": np.zeros(shape, np.int32), "positions": np.zeros(shape, np.int32), "taught": np.zeros(shape, np.float32), "segments": np.zeros(shape, np.int32), "used": [0] * shape[0]}

    def place(self, batch, talk, width):
        for row, used in enumerate(batch["used"]):
            end = used + len(talk.tokens)
            if end <= width:
                batch["tokens"][row, used:end] = talk.tokens
                batch["positions"][row, used:end] = talk.positions
                batch["taught"][row, used:end] = talk.taught
                batch["segments"][row, used:end] = batch["segments"].max() + 1
                batch["used"][row] = end
                return True
        return False

    def next(self):
        while True:
            talk = self.conversations.draw()
            for i, (rows, width) in enumerate(self.shapes):
                if len(talk.tokens) > width:
                    continue
                if self.place(self.open[i], talk, width):
                    break
                full, self.open[i] = self.open[i], self.empty((rows, width))
                self.place(self.open[i], talk, width)
                return [full[k] for k in ("tokens", "positions", "taught", "segments")]
