"""Questions to teach the pilot light: the known ones in many shapes, and endless others that it must decline."""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
HANGUL = re.compile("[가-힣ㄱ-ㅎㅏ-ㅣ]")
PARTICLES = re.compile(r"(\S?)(은/는|이/가|을/를|과/와|으로/로)")
OPENINGS = {
    "en": ["Please tell me: ", "Hi, ", "Hello. ", "Quick question: ", "Excuse me, ", "Sorry, ", "OK. ", "So, "],
    "ko": ["안녕하세요, ", "혹시 ", "질문이 있습니다. ", "죄송하지만 ", "저기요, ", "그런데 ", "네. "],
}
CLOSINGS = {"en": [" Thanks.", " please", " Thank you!", " now"], "ko": [" 감사합니다.", " 부탁합니다.", " 고맙습니다!"]}


def load(name):
    return json.loads((HERE / name).read_text(encoding="utf-8"))


def language(text):
    """Whoever writes any Hangul is answered in Korean, everybody else in English."""
    return "ko" if HANGUL.search(text) else "en"


def normal(text):
    """What two spellings of one question share, so that no known question is taught as unknown."""
    return re.sub(r"[\W_]+", "", text.lower())


def join_particles(text):
    """Choose the form of a Korean particle that fits the final consonant of the word before it."""

    def choose(match):
        before, pair = match.groups()
        closed, opened = pair.split("/")
        final = (ord(before) - 0xAC00) % 28 if HANGUL.match(before or " ") else 0
        if pair == "으로/로" and final == 8:
            final = 0
        return before + (closed if final else opened)

    return PARTICLES.sub(choose, text)


def add_final_rieul(text):
    """Write a stem and the ending ㄹ as one syllable: 그리 + ㄹ is 그릴."""
    return re.sub(r"([가-힣])ㄹ", lambda m: chr(ord(m[1]) + 8) if (ord(m[1]) - 0xAC00) % 28 == 0 else m[1], text)


class Questions:
    """Draws questions with their answers; every draw depends on the generator alone."""

    def __init__(self, rng):
        self.rng = rng
        self.corpus = load("corpus.json")
        self.honest = self.corpus["honest"]
        self.material = load("distractors.json")
        held_out = load("held-out.json")
        self.known = [
            (language_of, entry[language_of]["questions"], entry[language_of]["answer"])
            for entry in self.corpus["entries"]
            for language_of in ("en", "ko")
        ]
        self.reserved = {normal(q) for _, questions, _ in self.known for q in questions}
        self.reserved |= {normal(q) for questions in held_out["distractors"].values() for q in questions}
        self.reserved |= {normal(q) for pairs in held_out["near_misses"].values() for _, q in pairs}

    def pick(self, items):
        return items[self.rng.integers(len(items))]

    def chance(self, share):
        return self.rng.random() < share

    def known_pair(self):
        lang, questions, answer = self.pick(self.known)
        if self.chance(0.3):
            return questions[0], answer
        return self.reshape(self.pick(questions), lang), answer

    def reshape(self, text, lang):
        """Case, punctuation, politeness and slips of the finger change no meaning, so they are taught as noise."""
        if self.chance(0.4):
            text = text.rstrip(".?!") + self.pick(["", "", "?", ".", "!", "??", "!!", " ?", "..."])
        if self.chance(0.12):
            text = self.pick(OPENINGS[lang]) + (text[:1].lower() + text[1:] if self.chance(0.5) else text)
        if self.chance(0.06):
            text += self.pick(CLOSINGS[lang])
        if self.chance(0.25):
            text = self.pick([str.lower, str.lower, str.upper, str.title])(text)
        if self.chance(0.1):
            text = self.slip(text)
        if lang == "ko" and self.chance(0.1):
            text = text.replace(" ", "")
        if self.chance(0.06):
            text = self.pick([" ", "\n", "  "]) + text + self.pick(["", " ", "\n"])
        return text

    def slip(self, text):
        if len(text) < 6:
            return text
        at = int(self.rng.integers(1, len(text) - 2))
        swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        return self.pick([text[:at] + text[at + 1 :], text[:at] + text[at] + text[at:], swapped])

    def fill(self, template, lang):
        words = self.material[lang]["words"]

        def word(match):
            kind = match[1]
            if kind == "number":
                return str(self.rng.integers(0, self.pick([13, 100, 10_000])))
            return self.strange_word(lang) if self.chance(0.12) else self.pick(words[kind])

        text = re.sub(r"\{(\w+)\}", word, template)
        if lang == "ko":
            text = add_final_rieul(join_particles(text))
        return text

    def strange_word(self, lang):
        """A word that no list holds, so that declining does not depend on words seen in training."""
        length = int(self.rng.integers(2, 9))
        if lang == "ko":
            return "".join(chr(0xAC00 + self.rng.integers(11172)) for _ in range(min(length, 4)))
        letters = "aeioubcdfghjklmnpqrstvwxyz"
        return "".join(letters[self.rng.integers(26)] for _ in range(length))

    def salad(self, lang):
        words = [w for group in self.material[lang]["words"].values() for w in group]
        count = int(self.rng.integers(1, 9))
        return " ".join(self.strange_word(lang) if self.chance(0.4) else self.pick(words) for _ in range(count))

    def script(self):
        """Letters of other alphabets, digits and signs: neither English nor Korean, so the answer is English."""
        first, last = self.pick([(33, 126), (33, 64), (48, 57), (0xC0, 0x17F), (0x400, 0x44F), (0x4E00, 0x6000), (0x3041, 0x30FE), (0x621, 0x64A)])
        count = int(self.rng.integers(1, 24))
        return "".join(" " if self.chance(0.12) else chr(self.rng.integers(first, last + 1)) for _ in range(count))

    def foreign(self, lang):
        """What a cloud model may have begun to say: prose on anything, or on an outage in other words than ours."""
        label = self.pick(["", "", "", "[demo cloud] ", "cloud: ", "Sure. ", "**", "- ", "1. "])
        return label + (self.prose(lang) if self.chance(0.5) else self.mixed_answers(lang))

    def mixed_answers(self, lang):
        """Pieces of known answers in a new order: near to what is known by heart, and yet nothing to go on with."""
        answers = [answer for language_of, _, answer in self.known if language_of == lang]
        pieces = []
        for _ in range(int(self.rng.integers(2, 6))):
            words = self.pick(answers).split(" ")
            begin = int(self.rng.integers(0, max(1, len(words) - 3)))
            pieces.append(" ".join(words[begin : begin + int(self.rng.integers(3, 12))]))
        return self.pick([" ", ", ", ". "]).join(pieces)

    def statement(self, lang):
        return self.fill(self.pick(self.material[lang]["statements"]), lang)

    def prose(self, lang, most=5):
        """Text as another model or another author might have written it."""
        count = int(self.rng.integers(1, most + 1))
        return self.pick([" ", " ", "\n", "\n\n"]).join(self.statement(lang) for _ in range(count))

    def altered(self, lang):
        """A known question about something else: the frame stays, its content words change."""
        questions = self.pick([q for known, q, _ in self.known if known == lang])
        words = self.pick(questions).split(" ")
        content = [i for i, w in enumerate(words) if len(w) > (3 if lang == "en" else 1)] or [0]
        self.rng.shuffle(content)
        for i in content[: max(1, (len(content) * 2 + 2) // 3)]:
            kind = self.pick(["thing", "person", "place", "field"])
            words[i] = self.fill("{%s}%s" % (kind, self.pick(["", "은/는", "을/를", "이/가"]) if lang == "ko" else ""), lang)
        return " ".join(words)

    def document(self, lang):
        """A long text with a wish before or after it; some of it may be text that the model knows."""
        wish = self.fill(self.pick(self.material[lang]["templates"]), lang)
        known = self.pick([a for known, _, a in self.known if known == lang])
        body = known if self.chance(0.2) else self.prose(lang, int(self.pick([4, 8, 24])))
        return self.pick([f"{wish}\n\n{body}", f"{body}\n\n{wish}", body])

    def unknown(self):
        """A question that is not in the corpus, of a kind drawn at random."""
        while True:
            lang = self.pick(["en", "ko"])
            kind = self.rng.random()
            if kind < 0.45:
                text = self.fill(self.pick(self.material[lang]["templates"]), lang)
            elif kind < 0.65:
                text = self.pick(self.material[lang]["questions"])
            elif kind < 0.75:
                text = self.salad(lang)
            elif kind < 0.8:
                text = self.script()
            elif kind < 0.86:
                text = self.prose(lang, 2)
            elif kind < 0.95:
                text = self.altered(lang)
            else:
                text = self.document(lang)
            if kind < 0.95:
                text = self.reshape(text, lang)
            if normal(text) not in self.reserved and text.strip():
                return text

    def unknown_pair(self):
        text = self.unknown()
        return text, self.honest[language(text)]
