"""Renders conversation.json with every template here by Jinja2 itself, set up as Hugging Face's transformers does.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install jinja2==3.1.6 && /tmp/v/bin/python render.py
"""

import json
from pathlib import Path

from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = Path(__file__).parent


def refuse(message):
    raise ValueError(message)


def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
environment.filters["tojson"] = tojson
environment.globals |= {"raise_exception": refuse, "strftime_now": lambda _: "never shown"}
given = json.loads((HERE / "conversation.json").read_text())
for path in sorted(HERE.glob("*.jinja")):
    template = environment.from_string(path.read_text())
    for name, messages in (("asked", given["messages"][:2]), ("called", given["messages"])):
        rendered = template.render(
            messages=messages, tools=given["tools"], bos_token="<s>", eos_token="</s>", add_generation_prompt=True,
            **given["arguments"],
        )
        path.with_suffix(f".{name}.txt").write_text(rendered)
