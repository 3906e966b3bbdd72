"""Where the gateway listens, and what refuses to be said."""

from __future__ import annotations

import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from mcpconf.errors import Failure, Usage
from mcpconf.readers.listen import read_listen
from mcpconf.readers.places import find_places
from mcpconf.service import listen


def wanted(house: Any, text: str) -> listen.Wanted:
    house.put("home/.config/mcpconf/mcpconf.toml", text)
    return listen.wanted(find_places(house.home))


def test_loopback_alone_unless_there_is_more() -> None:
    assert listen.addresses(listen.Wanted(), "no-such-bridge") == (("127.0.0.1", 8811),)


@pytest.mark.skipif(sys.platform != "linux", reason="netdevice(7)")
def test_the_bridge_of_docker_is_found_by_its_name() -> None:
    assert listen.address_of("lo") == "127.0.0.1"
    assert listen.address_of("no-such-bridge") == ""


def test_the_users_policy_decides_port_and_more_addresses(house: Any) -> None:
    text = 'gateway = "gw.internal:9000"\ngateway_listen = ["10.1.2.3", "[fd00::1]:9001"]\n'
    found = wanted(house(), text)
    expected = (("127.0.0.1", 9000), ("10.1.2.3", 9000), ("fd00::1", 9001))
    assert listen.addresses(found, "no-such-bridge") == expected
    assert listen.known_as(found) == ("host.docker.internal", "mcpconf-gateway", "gw.internal")


@pytest.mark.parametrize("text", ["0.0.0.0", "0.0.0.0:8811", "::", "[::]:8811", "::ffff:0.0.0.0"])
def test_every_address_is_refused(house: Any, text: str) -> None:
    built = house()
    with pytest.raises(Failure, match="every network"):
        wanted(built, f'gateway_listen = ["{text}"]\n')
    assert "MC087" in built.run("plan", "--format", "json").codes
    with pytest.raises(Usage, match="every network"):
        listen.asked([text], [])


@pytest.mark.parametrize(
    "text",
    ["", "host.docker.internal", "1.2.3", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:0",
     "127.0.0.1:65536", "[::1", "[::1]x", "224.0.0.1", "fe80::1%eth0", "127.0.0.1 "],
)  # fmt: skip
def test_what_is_no_address_is_refused(house: Any, text: str) -> None:
    assert read_listen(text) is None
    with pytest.raises(Failure, match="gateway_listen"):
        wanted(house(), f'gateway_listen = ["{text}"]\n')
    with pytest.raises(Usage):
        listen.asked([text], [])


def test_a_project_has_no_say(house: Any) -> None:
    built = house({"project/mcpconf.toml": 'gateway_listen = ["10.0.0.1"]\n'})
    assert built.run("plan", "--format", "json").codes == ["MC082"]
    assert listen.wanted(find_places(built.home)) == listen.Wanted()


def test_a_broken_policy_starts_nothing(house: Any) -> None:
    with pytest.raises(Failure, match="not TOML"):
        wanted(house(), "gateway = [\n")


def test_what_the_page_shows_is_read(house: Any) -> None:
    page = (Path(__file__).parents[2] / "docs/gateway.md").read_text("utf-8")
    (block,) = re.findall(r"^```toml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(wanted(house(), block).listen) == 2


def test_the_short_form_is_loopback() -> None:
    found = listen.asked(["[::1]:5"], [7, 7])
    assert found == ((("::1", 5), ("127.0.0.1", 7)), None)


def test_a_unix_socket_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert listen.asked([f"unix:{path}"], []) == ((), path)
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    listen.asked([f"unix:{path}"], [])
    assert not path.exists()
    path.write_text("a file of somebody's")
    listen.asked([f"unix:{path}"], [])
    assert path.exists()
    with pytest.raises(Usage, match="absolute"):
        listen.asked(["unix:s"], [])
