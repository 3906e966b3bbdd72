"""Messages are relayed as they came; one value may be replaced, and nothing else moves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpconf.gateway import messages
from mcpconf.gateway.messages import NotJsonRpc

leaf = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


@given(
    st.dictionaries(st.text(), values, max_size=4),
    st.sampled_from([None, 1, "\t"]),
    st.booleans(),
    st.permutations(["jsonrpc", "id", "method", "params"]),
)
def test_only_the_id_is_replaced(
    extra: dict[str, Any], indent: Any, ascii_: Any, order: list[str]
) -> None:
    known = {"jsonrpc": "2.0", "id": "old", "method": "m", "params": extra}
    message = {key: known[key] for key in order} | {
        k: v for k, v in extra.items() if k not in known
    }
    line = json.dumps(message, indent=indent, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
    try:
        line.decode()
    except UnicodeDecodeError:
        return  # a lone surrogate is no UTF-8
    changed = messages.with_id(line, message, b"42")
    assert json.loads(changed) == message | {"id": 42}
    assert changed.replace(b"42", b'"old"', 1) == line or b"42" in line


def test_big_numbers_and_spaces_stay() -> None:
    line = b'{ "params" :{"n":9007199254740993, "f": 1.0,"e":1E400 } , "id"\t:7,"jsonrpc":"2.0","method":"m"}'
    expected = line.replace(b":7", b":99")
    assert messages.with_id(line, {"id": 7}, b"99") == expected


def test_the_last_of_two_equal_keys_counts_as_parsers_count() -> None:
    text = '{"id":1,"x":{"id":5},"id":2}'
    start, end = messages.find(text, ("id",)) or (0, 0)
    assert text[start:end] == "2"


def test_a_path_is_followed() -> None:
    line = b'{"params":{"a":[1],"_meta":{"progressToken" : "x\\"y"}},"progressToken":1}'
    assert messages.replaced(line, ("params", "_meta", "progressToken"), b"3") == line.replace(
        b'"x\\"y"', b"3"
    )
    assert messages.replaced(line, ("params", "none"), b"3") == line


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"nonsense", b'{"jsonrpc":"1.0","id":1,"method":"m"}', b"\xff", b"[" * 100_000,
     b'{"jsonrpc":"2.0"}', b'{"jsonrpc":"2.0","id":1}', b'{"jsonrpc":"2.0","id":null,"method":"m"}',
     b'{"jsonrpc":"2.0","id":true,"method":"m"}', b'{"jsonrpc":"2.0","id":[],"method":"m"}',
     b'{"jsonrpc":"2.0","id":1,"method":1}', b'{"jsonrpc":"2.0","id":1,"method":"m","params":[]}',
     b'{"jsonrpc":"2.0","id":NaN,"method":"m"}', b'{"jsonrpc":"2.0","id":1e999,"method":"m"}',
     b'{"jsonrpc":"2.0","id":1,"method":"a\\nb"}', b'\xef\xbb\xbf{"jsonrpc":"2.0"}'],
)  # fmt: skip
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises(NotJsonRpc):
        messages.read(body)


@pytest.mark.parametrize("id_", [1, 0, -5, "x", 'a"b\\', "é", 2**70])
def test_an_answer_is_known_by_its_id(id_: Any) -> None:
    line = json.dumps({"jsonrpc": "2.0", "id": id_, "result": {}}).encode()
    found = messages.answer_id(line)
    assert found is not None
    assert found[0] == messages.key_of(id_)
    assert line[slice(*found[1])] == found[0]


def test_a_request_is_not_taken_for_an_answer() -> None:
    assert messages.answer_id(b'{"jsonrpc":"2.0","id":1,"method":"x","result":{}}') is None


def test_a_message_becomes_one_line() -> None:
    assert messages.one_line(b'{\r\n "a":\n1}\n') == b'{   "a": 1}'


def test_what_grows_to_gigabytes_is_not_parsed() -> None:
    many = b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":[' + b"{}," * 1_100_000 + b"{}]}}"
    with pytest.raises(NotJsonRpc, match="parts"):
        messages.weigh(many)
    messages.weigh(b'{"a":"' + b"x" * 5_000_000 + b'"}')
    messages.weigh(b'{"a":[' + b"1234," * 1_000_000 + b"1]}")
