"""A real box beside a fake cloud, for clients that are not written in Rust."""

import json
import os
import random
import signal
import socket
import struct
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60

# The product's defaults in a hurry, so that a test sees a whole failback in about a second.
HURRY = """
probe_interval_ms = 200
probe_deadline_ms = 400
connect_timeout_ms = 1000
first_token_timeout_ms = 1500
between_tokens_timeout_ms = 1000
whole_answer_timeout_ms = 30000
[upstream.breaker]
open_first_ms = 300
open_max_ms = 600
half_open_max_age_ms = 2000
[upstream.failback]
first_step_ms = 300
second_step_ms = 300
hold_down_first_ms = 400
"""


def known_answers() -> dict[str, str]:
    """What the pilot light knows by heart: answer by question."""
    file = REPOSITORY / "provisioning/pilot-light/known-answers.json"
    return {entry["question"]: entry["answer"] for entry in json.loads(file.read_text())}


def is_korean(text: str) -> bool:
    return any("가" <= char <= "힣" for char in text)


def binary(name: str, variable: str) -> str:
    path = os.environ.get(variable, REPOSITORY / "target/debug" / name)
    if not Path(path).exists():
        raise FileNotFoundError(f"{path}: cargo build --workspace, or set {variable}")
    return str(path)


def free_port() -> int:
    """A port outside the range of outgoing connections, so that a refused connection cannot meet itself."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


def with_tools(folder: Path) -> Path:
    """A copy of the pilot light whose chat template has tools. The weights stay aligned, because the template grows by
    whole units of alignment."""
    gguf = (REPOSITORY / "provisioning/pilot-light/pilot-light.gguf").read_bytes()
    template = (REPOSITORY / "appliance/inference/tests/pilot_light/tools.jinja").read_bytes()
    length = gguf.index(b"tokenizer.chat_template") + len("tokenizer.chat_template") + 4
    (old,) = struct.unpack_from("<Q", gguf, length)
    template = b"{#" + b" " * ((old - len(template) - 4) % 32) + b"#}" + template
    file = folder / "with-tools.gguf"
    file.write_bytes(gguf[:length] + struct.pack("<Q", len(template)) + template + gguf[length + 8 + old :])
    return file


def embedder(folder: Path) -> Path:
    """A tiny model of random weights that makes vectors."""
    file = folder / "embedder.gguf"
    subprocess.run([binary("embedder", "EMBEDDER_BIN"), "mean", str(file)], check=True)
    return file


class FakeCloud:
    """The fake cloud of the Rust harness, driven over its control door."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([binary("fake-cloud", "FAKE_CLOUD_BIN")], stdout=subprocess.PIPE, text=True)
        facts = json.loads(self._process.stdout.readline())
        self.base_url, self.key, self.model = facts["base_url"], facts["key"], facts["model"]
        self._control = facts["control"]

    def _post(self, path: str, body: str = "") -> dict:
        request = urllib.request.Request(self._control + path, data=body.encode(), method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def refuse(self) -> None:
        self._post("/refuse")

    def go_silent(self) -> None:
        self._post("/silent")

    def answer_500(self) -> None:
        self._post("/500")

    def reject_key(self) -> None:
        self._post("/reject-key")

    def cut_streams(self, after: int) -> None:
        self._post(f"/cut?{after}")

    def restore(self) -> None:
        self._post("/restore")

    def say(self, text: str) -> None:
        self._post("/say", text)

    def pace(self, milliseconds: int) -> None:
        self._post(f"/pace?{milliseconds}")

    def chats(self) -> int:
        return self._post("/seen")["seen"].get("/v1/chat/completions", 0)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


class Box:
    """`genset serve` with one upstream, the pilot light as its standby, and an API key."""

    def __init__(self, cloud: FakeCloud, tuning: str = HURRY, tools: bool = False, vectors: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="genset-sdk-")
        folder = Path(self._folder.name)
        self._genset = binary("genset", "GENSET_BIN")
        self._address = f"127.0.0.1:{free_port()}"
        self._config = folder / "genset.toml"
        self._log = folder / "genset.log"
        (folder / "cloud-key").write_text(cloud.key)
        # The name of the pilot light is the built-in model's own.
        pilot_light = REPOSITORY / "provisioning/pilot-light/pilot-light.gguf"
        self._standby = ("with-tools", with_tools(folder)) if tools else ("pilot-light", pilot_light)
        self._config.write_text(self._text(folder, cloud, tuning) + (self._vectors(folder) if vectors else ""))
        with self._log.open("w") as log:
            arguments = [self._genset, "serve", "--config", str(self._config)]
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._wait()
        self._wait_for_models()
        self.base_url = f"http://{self._address}/v1"
        self.key = self.run("key", "create", "sdk").strip()

    def _text(self, folder: Path, cloud: FakeCloud, tuning: str) -> str:
        return f"""
[site]
name = "Test Hospital"
data_dir = "{folder}/data"
[listen]
http = "{self._address}"
[[local]]
name = "{self._standby[0]}"
file = "{self._standby[1]}"
[[alias]]
name = "assistant"
cloud = ["cloud/{cloud.model}"]
standby = ["{self._standby[0]}"]
[[upstream]]
name = "cloud"
dialect = "openai"
base_url = "{cloud.base_url}"
api_key_file = "{folder}/cloud-key"
{tuning}
"""

    def _vectors(self, folder: Path) -> str:
        return f"""
[[local]]
name = "embedder"
file = "{embedder(folder)}"
kind = "embedding"
[[alias]]
name = "notes"
standby = ["embedder"]
[[alias]]
name = "library"
kind = "embedding"
cloud = ["cloud/vectors"]
"""

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the box ended with {self._process.returncode}:\n{self._log.read_text()}")
            try:
                with urllib.request.urlopen(f"http://{self._address}/readyz", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise TimeoutError(f"the box does not get ready:\n{self._log.read_text()}")

    def _wait_for_models(self) -> None:
        """A box is ready when one of its models is: the others are waited for here."""
        deadline = time.monotonic() + PATIENCE_S
        while coming := [local for local in self.status()["locals"] if local["status"] in ("starting", "loading")]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all models get ready: {coming}")
            time.sleep(0.05)

    def run(self, *arguments: str) -> str:
        command = [self._genset, *arguments, "--config", str(self._config)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def status(self) -> dict:
        return json.loads(self.run("status", "--json"))

    def log(self) -> str:
        return self._log.read_text()

    def until_state(self, wanted: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while (state := self.status()["state"]) != wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the site state stays {state}, {wanted} was expected")
            time.sleep(0.05)

    def stop(self) -> int:
        """Ends the box with SIGTERM and gives its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(PATIENCE_S)
        self._folder.cleanup()
        return code
