"""The rules below one top-level domain say the same as all of them."""

from __future__ import annotations

from publicsuffixlist import PSLFILE, PublicSuffixList

from mcpconf.suffixes import is_suffix


def test_the_rules_of_one_domain_say_the_same_as_all_rules() -> None:
    whole = PublicSuffixList()
    with open(PSLFILE, encoding="utf-8") as file:
        rules = [line.split()[0].lstrip("!*.") for line in file if line[:2] not in ("//", "\n")]
    for rule in rules[::97]:
        name = rule.encode("idna").decode()
        for each in (name, f"x.{name}", f"x.y.{name}"):
            assert is_suffix(each) == whole.is_public(each), each


def test_a_domain_that_nobody_has_and_one_that_cannot_be_read() -> None:
    assert is_suffix("nobody-has-this")
    assert not is_suffix("a.xn--0")
