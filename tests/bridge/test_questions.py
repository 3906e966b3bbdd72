"""A server that asks its client during a call, and loses the session before the answer is there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mcpconf.bridge import Trouble

from .paper import REFUSED, Asked, World, line

QUESTION = {"jsonrpc": "2.0", "id": "q1", "method": "sampling/createMessage", "params": {}}
ANSWER = {"jsonrpc": "2.0", "id": "q1", "result": {"role": "assistant"}}


@pytest.fixture
def world() -> World:
    world = World()
    world.begin()
    return world


@pytest.fixture
def asked(world: World) -> Asked:
    """The call in which the server has asked; its stream is open."""
    held: list[Asked] = []

    def ask(call: Asked) -> None:
        held.append(call)
        call.begin_stream()
        call.event(b"data: " + line(QUESTION) + b"\n\n")

    world.rules["tools/call"] = ask
    world.call()
    world.settle()
    assert world.told == [line(QUESTION)]
    del world.rules["tools/call"]
    (call,) = held
    return call


def posted(world: World) -> int:
    """How often the answer was sent to the server."""
    return sum(asked.message.get("id") == "q1" for asked in world.asked)


def evict(world: World, status: int = 404) -> None:
    """Let the server forget its sessions; what it is doing goes on."""
    world.sessions += 1

    def unknown(asked: Asked) -> None:
        if asked.session == f"s{world.sessions}":
            asked.say(202)
        else:
            asked.say(status, b"no such session")

    world.rules["POST"] = unknown


def only(world: World) -> Trouble:
    (trouble,) = [trouble for identity, trouble in world.failures if identity == 7]
    return trouble


def finish(world: World, call: Asked) -> None:
    call.event(b'data: {"jsonrpc":"2.0","id":7,"result":{}}\n\n')
    call.end_stream()
    world.settle()


def test_the_answer_arrives(world: World, asked: Asked) -> None:
    world.send(ANSWER)
    world.settle()
    assert (posted(world), world.said) == (1, [])
    finish(world, asked)
    assert world.said == [(7, "answer")]
    world.assert_clean()


@pytest.mark.parametrize("status", [404, 400])
def test_the_session_is_lost_before_the_answer(world: World, asked: Asked, status: int) -> None:
    evict(world, status)
    world.send(ANSWER)
    world.pass_time(5)
    trouble = only(world)
    assert trouble.code == "session-lost"
    assert "may have run" in trouble.text
    assert trouble.delivered is not False
    assert not trouble.retry
    assert posted(world) == 1, "nobody asked that in the next session"
    assert asked.wire.closed, "and nobody waits for its stream"
    world.assert_clean()
    world.call(8)
    world.pass_time(5)
    assert (8, "answer") in world.said


def test_another_session_has_begun_meanwhile(world: World, asked: Asked) -> None:
    evict(world)
    world.call(8)
    world.pass_time(5)
    assert world.said == [(8, "answer")]
    world.send(ANSWER)
    world.pass_time(5)
    assert only(world).code == "session-lost"
    assert posted(world) == 0
    assert asked.wire.closed


def test_a_call_that_ends_in_the_lost_session_is_answered(world: World, asked: Asked) -> None:
    evict(world)
    finish(world, asked)
    world.send(ANSWER)
    world.pass_time(5)
    assert world.said == [(7, "answer")]
    world.assert_clean()


@pytest.mark.parametrize(
    "refusal",
    [
        lambda asked: asked.say(503),
        lambda asked: asked.say(429, b"", "Retry-After: 0\r\n"),
        lambda asked: asked.wire.cut(),
    ],
)
def test_an_answer_is_sent_again(
    world: World, asked: Asked, refusal: Callable[[Asked], None]
) -> None:
    world.rules["POST"] = refusal
    world.send(ANSWER)
    world.settle()
    del world.rules["POST"]
    world.pass_time(5)
    assert posted(world) == 2
    finish(world, asked)
    assert world.said == [(7, "answer")]


@pytest.mark.usefixtures("asked")
def test_an_answer_that_cannot_be_delivered_ends_its_call(world: World) -> None:
    world.down = REFUSED
    world.rules["POST"] = lambda asked: asked.wire.cut()
    world.send(ANSWER)
    world.pass_time(60)
    trouble = only(world)
    assert trouble.code == "unreachable"
    assert "may have run" in trouble.text
    assert trouble.delivered is not False


def test_a_server_that_asks_for_ever_is_not_remembered_for_ever(world: World, asked: Asked) -> None:
    for number in range(3000):
        asked.event(b"data: " + line({**QUESTION, "id": number}) + b"\n\n")
    assert len(world.link.questions._open) <= 1000
    assert len(world.told) == 3001
    finish(world, asked)
    assert world.said == [(7, "answer")]


@pytest.mark.parametrize("identity", [None, True, [1], {"a": 1}, 1e999])
def test_a_question_with_an_odd_id(world: World, asked: Asked, identity: object) -> None:
    asked.event(b"data: " + line({**QUESTION, "id": identity}) + b"\n\n")
    world.send(ANSWER)
    finish(world, asked)
    assert world.said == [(7, "answer")]
