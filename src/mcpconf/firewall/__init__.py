"""The container's firewall: ``mcpconf-fw``.

Root runs it in the container.  It reads ``egress.json``, compiles it together with what the site
is like (``site.py``) into rules, sets and configurations, and puts them into force with the
engines that are there: iptables and ipset, or nftables; dnsmasq, which answers listed names only
and fills the sets as it answers; ulogd2, which writes down what was refused; in strict mode
HAProxy, which looks at the names inside TLS and HTTP.

::

    egress.json ──▶ policy.py ──▶ Policy ┐
    resolv.conf, hosts, uids ──▶ Site    ┴▶ compile.py ──▶ Compiled: texts    (pure to here)
                                                    apply.py ──▶ in force
                                                    keeper.py    hot reload, logs, revival
    what the engines wrote ──▶ learned.py, blocked.py, status.py, verify.py ──▶ words.py

Everything up to the texts is pure, and the host renders the same texts (``mcpconf firewall
render``).  The package needs the standard library of Python 3.9 and ships as one file
(``bundle.py``).  The mechanism, the order of its steps and what was measured: docs/firewall.md.
"""
