"""Sixteen clients ask without a pause while the cloud is refused, comes back, goes silent and comes back.

    python two_minutes.py [SECONDS] [CLIENTS]

Half of the clients stream, half of the questions are Korean; the openai client's own retries are off. Prints
what was asked, what failed, who served it and how long the first words took. Ends with 1 if anything failed.
"""

import collections
import dataclasses
import statistics
import sys
import threading
import time

import openai
from box import HURRY, Box, FakeCloud, is_korean, known_answers

# Shares of the whole time. Under a minute the box runs with hurried thresholds, else with the product's own.
PHASES = [("connected", 0.10), ("refused", 0.20), ("back", 0.40), ("silent", 0.15), ("back again", 0.15)]
KNOWN = known_answers()
QUESTIONS = {korean: [question for question in KNOWN if is_korean(question) == korean] for korean in (False, True)}


@dataclasses.dataclass
class Answer:
    phase: str
    kind: str
    route: str
    served_by: str
    seam: bool
    first_words_s: float
    failure: str | None = None


def judge(question: str, text: str, route: str, reason: str | None) -> str | None:
    """What is wrong with an answer; none if it is whole and belongs to the question."""
    if reason != "stop":
        return f"finish reason {reason}"
    if route == "local" and text != KNOWN[question]:
        return "the pilot light did not say what it knows"
    if route == "cloud" and not text.startswith("cloud: "):
        return "the cloud did not say who it is"
    return None


def whole(client: openai.OpenAI, question: str) -> Answer:
    started = time.monotonic()
    raw = client.chat.completions.with_raw_response.create(**request(question))
    completion, took = raw.parse(), time.monotonic() - started
    choice, route = completion.choices[0], raw.headers["x-genset-route"]
    failure = judge(question, choice.message.content, route, choice.finish_reason)
    seam = completion.model_extra["genset"].get("seam") is not None
    return Answer("", "whole", route, raw.headers["x-genset-served-by"], seam, took, failure)


def streamed(client: openai.OpenAI, question: str) -> Answer:
    started, first, text, reason, genset = time.monotonic(), None, "", None, {}
    for chunk in client.chat.completions.create(**request(question), stream=True):
        genset = chunk.model_extra.get("genset") or genset
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            reason = chunk.choices[0].finish_reason or reason
        if text and first is None:
            first = time.monotonic() - started
    seam = genset.get("seam") is not None
    # After a seam the text is half the cloud's and half the pilot light's: only its end can be judged.
    failure = judge(question, text, "both" if seam else genset["route"], reason)
    return Answer("", "stream", genset["route"], genset["served_by"], seam, first or 0.0, failure)


def request(question: str) -> dict:
    return {"model": "assistant", "temperature": 0, "messages": [{"role": "user", "content": question}]}


class Run:
    def __init__(self, seconds: float, clients: int) -> None:
        self.seconds, self.clients = seconds, clients
        self.phase, self.ends = PHASES[0][0], time.monotonic() + seconds
        self.answers: list[Answer] = []
        self._lock = threading.Lock()

    def client(self, number: int, box: Box) -> None:
        turn = number
        with openai.OpenAI(base_url=box.base_url, api_key=box.key, max_retries=0, timeout=60) as client:
            while time.monotonic() < self.ends:
                questions = QUESTIONS[turn % 4 >= 2]
                answer = self.one(client, whole if number % 2 else streamed, questions[turn % len(questions)])
                with self._lock:
                    self.answers.append(answer)
                turn += 1

    def one(self, client: openai.OpenAI, kind, question: str) -> Answer:
        phase = self.phase
        try:
            answer = kind(client, question)
        except Exception as error:  # noqa: BLE001: whatever a program would have to handle is a failure
            answer = Answer("", kind.__name__, "none", "nobody", False, 0.0, f"{type(error).__name__}: {error}")
        answer.phase = phase
        return answer

    def go(self, cloud: FakeCloud, box: Box) -> None:
        threads = [threading.Thread(target=self.client, args=(number, box)) for number in range(self.clients)]
        for thread in threads:
            thread.start()
        verbs = {"refused": cloud.refuse, "silent": cloud.go_silent, "back": cloud.restore, "back again": cloud.restore}
        for self.phase, share in PHASES:
            verbs.get(self.phase, lambda: None)()
            time.sleep(self.seconds * share)
        for thread in threads:
            thread.join()


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def report(run: Run) -> int:
    failures = [answer for answer in run.answers if answer.failure]
    usual = {
        (kind, route): statistics.median(times)
        for kind in ("whole", "stream")
        for route in ("cloud", "local")
        if (times := [a.first_words_s for a in run.answers if (a.kind, a.route, a.seam) == (kind, route, False)])
    }
    print(f"{len(run.answers)} requests by {run.clients} clients in {run.seconds:.0f} s, {len(failures)} failed")
    for phase, _ in PHASES:
        mine = [answer for answer in run.answers if answer.phase == phase]
        served = collections.Counter(answer.served_by for answer in mine)
        seams = sum(answer.seam for answer in mine)
        worst = max(mine, key=lambda answer: answer.first_words_s, default=None)
        slowest = f"{worst.kind} by {worst.served_by}, {milliseconds(worst.first_words_s)}" if worst else "none"
        who = ", ".join(f"{count} by {name}" for name, count in served.most_common())
        print(f"  {phase:<11} {len(mine):>6} requests: {who}; {seams} seams; slowest first words: {slowest}")
    for (kind, route), median in sorted(usual.items()):
        print(f"  median of {kind} answers by {route}: {milliseconds(median)}")
    added = [answer.first_words_s - usual.get((answer.kind, answer.route), 0.0) for answer in run.answers]
    print(f"worst added latency: {milliseconds(max(added, default=0.0))}")
    for failure, count in collections.Counter(answer.failure for answer in failures).most_common(10):
        print(f"FAILED {count} times: {failure}")
    return 1 if failures or not run.answers else 0


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    clients = int(sys.argv[2]) if len(sys.argv) > 2 else 16
    cloud = FakeCloud()
    box = Box(cloud, HURRY if seconds < 60 else "")
    try:
        run = Run(seconds, clients)
        run.go(cloud, box)
        return report(run)
    finally:
        code = box.stop()
        cloud.close()
        print(f"the box stopped with {code}")


if __name__ == "__main__":
    sys.exit(main())
