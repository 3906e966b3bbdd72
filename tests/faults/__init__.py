"""Injected faults: what `mcpconf explain --live` says of each, and what Claude Code prints.

A new fault is a `Fault` in over_http.py (remote servers), over_network.py (names, packets, proxies),
at_home.py (what is written, stored, started, remembered) or in_container.py.  Then

    MCPCONF_TESTS=all BLESS=1 pytest tests/faults    # ours.json: the message; the code is never blessed
    python -m tests.faults.record NAME   # said.json: the real clients
    BLESS=1 pytest tests/faults/test_page.py     # docs/explain.md
"""
