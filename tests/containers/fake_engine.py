"""A program that stands in for a container engine; ``fake-engine`` says so wherever it is named.

What it answers lies in ``fake-engine.json`` beside it, and what it was asked in ``asked.jsonl``.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PROGRAM = f"""#!{sys.executable} -IS
import json, os, sys, time
here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, os.path.basename(__file__) + ".json")) as file:
    told = json.load(file)
words = sys.argv[1:]
with open(os.path.join(here, "asked.jsonl"), "a") as file:
    file.write(json.dumps([os.path.basename(__file__), *words]) + "\\n")
fault = told["faults"].get(words[0])
if fault:
    time.sleep(fault.get("seconds", 0))
    sys.stderr.write(fault.get("stderr", ""))
    if "code" in fault:
        sys.exit(fault["code"])
containers = told["containers"]
if words[0] == "ps":
    assert words[1:] == ["--quiet", "--no-trunc"], words
    print("\\n".join(c["Id"] for c in containers))
elif words[0] == "inspect":
    assert words[1:3] == ["--type", "container"], words
    wanted = words[3:]
    print(json.dumps([c for c in containers if {{c["Id"], c["Name"].lstrip("/")}} & {{*wanted}}]))
elif words[0] == "exec":
    options, at = {{}}, 1
    while words[at].startswith("-"):
        options.setdefault(words[at], []).append(words[at + 1])
        at += 2
    name, shell, flag, script, program, *rest = words[at:]
    assert (shell, flag, options["-w"]) == ("/bin/sh", "-c", ["/"]), words
    assert options["-u"] == ["0:0" if program == "mcpconf-fw" else "65534:65534"], words
    assert "PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin" in options["-e"]
    answer = told["programs"].get(f"{{name}} {{program}}") or told["programs"].get(program)
    if answer is None:
        sys.exit(3 if program == "state" else 127)
    answer = answer.pop(0) if isinstance(answer, list) and len(answer) > 1 else answer
    answer = answer[0] if isinstance(answer, list) else answer
    with open(os.path.join(here, os.path.basename(__file__) + ".json"), "w") as file:
        json.dump(told, file)
    if "files" in answer:
        text = answer["files"].get(rest[0])
        sys.exit(1) if text is None else sys.stdout.write(text)
    link = os.readlink(answer["link"]) if "link" in answer else ""
    sys.stdout.write(answer.get("stdout", "").replace("@link@", link))
    sys.stderr.write(answer.get("stderr", ""))
    sys.exit(answer.get("code", 0))
"""


def container(name: str, *, mounts: dict[str, str] | None = None, **labels: str) -> dict[str, Any]:
    """What ``inspect`` says about a container: its mounts by source, its labels with ``_`` for dots."""
    return {
        "Id": f"{abs(hash(name)):064x}",
        "Name": f"/{name}",
        "Mounts": [
            {"Type": "bind", "Source": s, "Destination": d} for s, d in (mounts or {}).items()
        ],
        "Config": {"Labels": {key.replace("__", "."): value for key, value in labels.items()}},
    }


@dataclass
class FakeEngine:
    """The program, and what it is to answer.

    ``programs`` are by the name that a script has in a container, ``mcpconf-fw``, ``cat`` or
    ``state``, perhaps behind the container's; of a list, each call takes one, and the last stays.
    ``@link@`` in an answer is where its ``link`` leads.
    """

    folder: Path
    name: str = "fake-engine"
    containers: list[dict[str, Any]] = field(default_factory=list)
    programs: dict[str, dict[str, Any] | list[dict[str, Any]]] = field(default_factory=dict)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return str(self.folder / self.name)

    @property
    def environ(self) -> dict[str, str]:
        """The environment in which it is the engine; it is written anew with what it is to answer."""
        self.write()
        return {"MCPCONF_ENGINE": self.path}

    def write(self) -> None:
        self.folder.mkdir(exist_ok=True)
        program = Path(self.path)
        if not program.exists():
            program.write_text(_PROGRAM)
            program.chmod(0o755)
        told = {"containers": self.containers, "programs": self.programs, "faults": self.faults}
        (self.folder / f"{self.name}.json").write_text(json.dumps(told))

    @property
    def asked(self) -> list[list[str]]:
        """What it was asked so far, each with the program's name first."""
        log = self.folder / "asked.jsonl"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def ran(self) -> list[list[str]]:
        """What it ran so far: container, program, and the program's words."""
        found = []
        for words in self.asked:
            if words[1] == "exec":
                at = words.index("/bin/sh")
                name, *rest = words[at + 3 :]
                rest = rest[rest.index("--") + 1 :] if "--" in rest else rest
                found.append([words[at - 1], name, *rest])
        return found
