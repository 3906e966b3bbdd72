"""Taking it back when the user has changed something since."""

from __future__ import annotations

import json

from mcpconf import jsonc
from mcpconf.devcontainer.edits import CHAIN, Edited, Wish, edit
from mcpconf.devcontainer.undo import undo

_BEFORE = """\
{
  "image": "devc-base:bookworm", // ours
  "postStartCommand": "sudo iptables -F",
  "initializeCommand": ["make", "ready"]
}
"""


def _done(before: str = _BEFORE) -> Edited:
    return edit(before, Wish("./mcpconf-feature"))


def _undone(text: str, done: Edited) -> str:
    return undo(text, done.steps).text


def test_something_added_behind_ours_stays() -> None:
    done = _done()
    changed = done.text.replace(
        '"waitFor": "postStartCommand"\n',
        '"waitFor": "postStartCommand", // why\n  "name": "x" // y\n',
    )
    assert _undone(changed, done) == _BEFORE.replace(
        '["make", "ready"]\n', '["make", "ready"], // why\n  "name": "x" // y\n'
    )


def test_a_feature_beside_ours_stays() -> None:
    done = _done()
    changed = done.text.replace(
        '"./mcpconf-feature": {}',
        '"./mcpconf-feature": {"sudo": "remove"},\n    "ghcr.io/a/b:1": {}',
    )
    left = jsonc.parse(_undone(changed, done)).plain
    assert left["features"] == {"ghcr.io/a/b:1": {}}


def test_options_of_our_feature_go_with_it() -> None:
    done = _done()
    changed = done.text.replace(
        '"./mcpconf-feature": {}', '"./mcpconf-feature": {"sudo": "remove"}'
    )
    assert "features" not in jsonc.parse(_undone(changed, done)).plain


def test_a_mount_beside_ours_stays() -> None:
    done = _done()
    changed = done.text.replace('"mounts": [', '"mounts": ["source=a,target=/b,type=volume", ')
    left = jsonc.parse(_undone(changed, done)).plain
    assert left["mounts"] == ["source=a,target=/b,type=volume"]


def test_a_changed_project_command_stays() -> None:
    done = _done()
    changed = done.text.replace('["make", "ready"]', '["make", "steady"]')
    left = jsonc.parse(_undone(changed, done)).plain
    assert left["initializeCommand"] == {"project": ["make", "steady"]}


def test_a_changed_chain_loses_our_end() -> None:
    done = _done()
    changed = done.text.replace("sudo iptables -F", "sudo iptables -F OUTPUT")
    left = jsonc.parse(_undone(changed, done)).plain
    assert left["postStartCommand"] == "sudo iptables -F OUTPUT"


def test_a_chain_in_the_middle_is_said() -> None:
    done = _done()
    found = undo(done.text.replace("mcpconf-fw apply", "mcpconf-fw apply && true"), done.steps)
    assert CHAIN in jsonc.parse(found.text).plain["postStartCommand"]
    assert any("postStartCommand" in note for note in found.notes)


def test_a_later_wait_stays() -> None:
    done = _done()
    left = _undone(
        done.text.replace('"waitFor": "postStartCommand"', '"waitFor": "postCreateCommand"'), done
    )
    assert jsonc.parse(left).plain["waitFor"] == "postCreateCommand"


def test_a_file_that_was_laid_out_anew_loses_ours_all_the_same() -> None:
    done = _done()
    anew = json.dumps(jsonc.parse(done.text).plain, indent=8)
    left = jsonc.parse(_undone(anew, done)).plain
    wanted = jsonc.parse(_BEFORE).plain
    wanted["initializeCommand"] = {"project": ["make", "ready"]}
    assert left == wanted


def test_what_the_user_had_before_is_not_taken_without_a_step() -> None:
    """Also where it looks like ours."""
    before = _done().text
    done = _done(before)
    assert done.steps == ()
    assert _undone(before, done) == before


def test_without_a_record_the_users_own_host_stays_and_is_said() -> None:
    found = undo(_done().text, None)
    assert "--add-host=host.docker.internal:host-gateway" in found.text
    assert len(found.notes) == 3  # the chain, the host, waitFor
