"""The evaluation set-up as a visitor meets it: the box, the demo cloud beside it, on ports of their own."""

import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE_S = 60


def genset() -> str:
    path = Path(os.environ.get("GENSET_BIN", REPOSITORY / "target/debug/genset"))
    if not path.exists():
        raise FileNotFoundError(f"{path}: cargo build --workspace, or set GENSET_BIN")
    return str(path)


def free_port() -> int:
    """A port outside the range of outgoing connections, so that a refused connection cannot meet itself."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port


class Evaluation:
    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="genset-browser-")
        self._processes: list[subprocess.Popen] = []
        self.address = f"127.0.0.1:{free_port()}"
        self._cloud, self._control = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self._config = Path(self._folder.name) / "genset.toml"
        (Path(self._folder.name) / "demo-key").write_text("demo-key")
        self._provider = self._start_provider()
        (Path(self._folder.name) / "oidc-secret").write_text(self._provider["client_secret"])
        self._config.write_text(self._text())
        self._start("demo-cloud", "--listen", self._cloud, "--control", self._control)
        self._wait_for(f"http://{self._control}/state")
        self._start("serve", "--config", str(self._config))
        self._wait_for(f"http://{self.address}/readyz")
        self.url = f"http://{self.address}"

    def _text(self) -> str:
        return f"""
[site]
name = "Harbor Hospital"
data_dir = "data"
[listen]
http = "{self.address}"
[[upstream]]
name = "demo"
dialect = "openai"
base_url = "http://{self._cloud}/v1"
api_key_file = "demo-key"
demo = true
probe_interval_ms = 300
[upstream.breaker]
open_first_ms = 300
open_max_ms = 600
[upstream.failback]
first_step_ms = 1500
second_step_ms = 1500
hold_down_first_ms = 500
[[local]]
name = "pilot-light"
file = "{REPOSITORY}/provisioning/pilot-light/pilot-light.gguf"
[[alias]]
name = "assistant"
cloud = ["demo/demo-cloud-large"]
standby = ["pilot-light"]
[oidc]
issuer = "{self._provider["issuer"]}"
client_id = "{self._provider["client_id"]}"
client_secret_file = "oidc-secret"
public_url = "http://{self.address}"
label = "Harbor ID"
default_role = "staff"
check_interval_ms = 300
[demo]
control = "{self._control}"
"""

    def _start_provider(self) -> dict[str, str]:
        """A stand-in for an identity provider, beside the box; says how to sign in there."""
        program = os.environ.get("FAKE_IDP_BIN", REPOSITORY / "target/debug/fake-idp")
        process = subprocess.Popen([program], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        self._processes.append(process)
        return json.loads(process.stdout.readline())

    def _start(self, *arguments: str) -> None:
        log = open(Path(self._folder.name) / f"{arguments[0]}.log", "w")
        process = subprocess.Popen([genset(), *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self._processes.append(process)

    def _wait_for(self, url: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            ended = [process.returncode for process in self._processes if process.poll() is not None]
            if ended:
                raise RuntimeError(f"a process ended with {ended[0]}:\n{self.logs()}")
            try:
                with urllib.request.urlopen(url, timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise TimeoutError(f"{url} does not answer:\n{self.logs()}")

    def setup_code(self) -> str:
        command = [genset(), "setup-code", "--config", str(self._config)]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def restore(self) -> None:
        urllib.request.urlopen(urllib.request.Request(f"http://{self._control}/restore", method="POST"), timeout=5)
        self.until_state("connected")

    def state(self) -> str:
        with urllib.request.urlopen(f"{self.url}/api/status", timeout=5) as answer:
            return json.load(answer)["state"]

    def until_state(self, wanted: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while (state := self.state()) != wanted:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the site state stays {state}, {wanted} was expected:\n{self.logs()}")
            time.sleep(0.1)

    def logs(self) -> str:
        return "\n".join(log.read_text()[-4000:] for log in Path(self._folder.name).glob("*.log"))

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
        self._folder.cleanup()
