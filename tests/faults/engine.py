"""A container engine for one container of the laboratory: ps, inspect and exec, by nsenter.

What it knows stands in the JSON file beside it: ``pid`` of the container's first process,
``containers`` as inspect is to say them, ``environ`` of the image, and ``fault``.
"""

import json
import os
import sys
import time

_ENTER = "-m -p -n -u -i -r -w --".split()


def main(words: list) -> int:
    with open(os.path.abspath(__file__) + ".json") as file:
        told = json.load(file)
    fault = told.get("fault", "")
    if fault == "hangs":
        time.sleep(60)
    if fault:
        sys.stderr.write(fault)
        return 1
    if words[0] == "ps":
        print("\n".join(c["Id"] for c in told["containers"]))
    elif words[0] == "inspect":
        found = [c for c in told["containers"] if {c["Id"], c["Name"][1:]} & set(words[1:])]
        print(json.dumps(found))
    elif words[0] == "exec":
        execute(told, words[1:])
    else:
        sys.stderr.write(f"unknown command {words[0]}\n")
    return 1 if words[0] not in ("ps", "inspect") else 0


def execute(told: dict, words: list) -> None:
    environ, user, folder = dict(told["environ"]), told["user"], "/"
    while words[0].startswith("-"):
        option = words.pop(0)
        if option == "-i":
            continue
        value = words.pop(0)
        if option == "-u":
            user = value
        elif option == "-w":
            folder = value
        elif option == "-e":
            name, _, text = value.partition("=")
            environ[name] = text
    ids = told["users"].get(user, user)
    uid, _, gid = ids.partition(":")
    rights = ",".join(["-all", *("+" + name for name in told["capabilities"])])
    inside = ["nsenter", "-t", str(told["pid"]), *_ENTER]
    inside += ["setpriv", "--reuid", uid, "--regid", gid or uid, "--clear-groups"]
    inside += ["--bounding-set=" + rights, "--inh-caps=-all"]
    given = [f"{name}={text}" for name, text in environ.items()]
    shell = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', folder]
    os.execvp("nsenter", [*inside, "env", "-i", *given, *shell, *words[1:]])


sys.exit(main(sys.argv[1:]))
