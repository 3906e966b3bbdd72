"""Which name an attempt was to: order and number decide, or it is said that they do not."""

from __future__ import annotations

from mcpconf.firewall.packets import Packet
from mcpconf.firewall.sunk import MOST_KEPT, Asked, agreed

A, B, C = "a.test", "b.test", "c.test"


def named(questions: list[tuple[float, str]], times: list[float]) -> list[tuple[str, ...]]:
    asked = Asked()
    for when, name in questions:
        asked.add(when, name)
    return asked.named(times)


def test_one_after_the_other() -> None:
    assert named([(10, A), (12, B)], [10.5, 12.1]) == [(A,), (B,)]
    assert named([(10, A)], [10.1, 10.2, 10.9]) == [(A,)] * 3


def test_in_one_second_order_decides_if_the_numbers_fit() -> None:
    """The log has whole seconds; `10` is anything up to 11."""
    assert named([(10, A), (10, B), (10, C)], [10.1, 10.4, 10.6]) == [(A,), (B,), (C,)]
    assert named([(10, A), (10, B), (10, A)], [10.1, 10.4, 10.6]) == [(A,), (B,), (A,)]
    assert named([(10, A), (10, A), (10, B)], [10.1, 10.4]) == [(A,), (B,)]


def test_else_it_is_one_of_them() -> None:
    assert named([(10, A), (10, B)], [10.1, 10.2, 10.3]) == [(A, B)] * 3
    assert named([(10, A), (10, B)], [10.5]) == [(A, B)]


def test_a_name_that_was_tried_already_gives_way_to_one_that_was_not() -> None:
    assert named([(10, A), (12, B)], [10.5, 13.0]) == [(A,), (B,)]
    asked = Asked()
    asked.add(10, A)
    assert asked.named([10.2]) == [(A,)]
    asked.add(12, B)  # read later, as with --follow
    assert asked.named([12.3, 12.4]) == [(B,), (A, B)]


def test_a_name_asked_for_afterwards_is_none() -> None:
    assert named([(10, A), (14, B)], [12.0]) == [(A,)]
    assert named([(14, B)], [12.0]) == [()]


def test_old_questions_count_where_nothing_else_was_asked() -> None:
    assert named([(10, A)], [50.0]) == [(A,)]
    assert named([(10, A)], [200.0]) == [()]
    assert named([(10, A), (49, B)], [50.0]) == [(B,)]


def test_many_questions_are_bounded() -> None:
    questions = [(10.0, f"n{number}.test") for number in range(3 * MOST_KEPT)]
    (names,) = named(questions, [10.5])
    assert names == tuple(name for _, name in questions[-5:])


def test_the_other_family_decides() -> None:
    six = Packet(10.1, "100::1", 443, "tcp", 1000)
    four = Packet(10.2, "198.18.0.1", 443, "tcp", 1000)
    assert agreed([(six, (A,)), (four, (A, B))]) == [(six, (A,)), (four, (A,))]
    assert agreed([(six, (C,)), (four, (A, B))])[1] == (four, (A, B))
    other = four._replace(port=80)
    assert agreed([(six, (A,)), (other, (A, B))])[1] == (other, (A, B))
    stranger = four._replace(uid=33)
    assert agreed([(six, (A,)), (stranger, (A, B))])[1] == (stranger, (A, B))
