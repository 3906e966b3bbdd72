"""Configurations with secrets planted in them, in every shape and in every place.

Each secret holds one of the ``MARKS``, and nothing else does: wherever a mark turns up, a secret,
or a part of one, has got there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from mcpconf.model import Opaque

MARKS = ("zqj", "facadefacade", "facadefa-cade")

LOWER = "abcdefghijklmnopqrstuvwxyz"
ALNUM = LOWER + LOWER.upper() + "0123456789"
WORD = st.text(LOWER, max_size=5).map("zqj{}".format)
HEX = st.text("0123456789abcdef", min_size=18, max_size=18).map("facadefacade42{}".format)
UUID = st.text("0123456789abcdef", min_size=12, max_size=12).map(
    "facadefa-cade-4ade-8ade-{}".format
)
KEY = st.builds(
    "{}zqj42{}".format,
    st.sampled_from(["sk-", "ghp_", "glpat-", "xoxb-", "AIza", "secret_"]),
    st.text(ALNUM, min_size=18, max_size=30),
)
BASE64 = st.text(ALNUM + "+/", min_size=20, max_size=40).map("Zqj{}==".format)
SPACES = st.text(LOWER, max_size=4).map("zqj  and {} more".format)
UNICODE = st.sampled_from(["zqjé", "zqj😀 ключ", "пароль-zqj", "zqj\u200b"])
ODD = st.sampled_from(['zqj"quoted"', "zqj\\n", "zqj$VAR", "zqj'x'", "zqj%41", "-zqj", "zqj,x;y"])
LINES = st.sampled_from(["zqj\nzqj", "-----BEGIN zqj-----\nfacadefacade\n-----END"])
PASSWORD = st.sampled_from(["zqj@home", "zqj:zqj", "zqj!", "zqj(1)"])

FOR_HEADERS = st.one_of(WORD, HEX, UUID, KEY, BASE64, SPACES, UNICODE, ODD)
FOR_ENV = st.one_of(FOR_HEADERS, LINES, PASSWORD)
FOR_ARGS = st.one_of(WORD, HEX, UUID, KEY, BASE64, SPACES, UNICODE)
FOR_URLS = st.one_of(WORD, HEX, UUID, KEY, BASE64, SPACES, UNICODE)
RANDOM = st.one_of(HEX, UUID, KEY)

ENV_NAMES = ["API_KEY", "FOO", "DB_PASS", "MY_SETTING", "lower", "WEIRD NAME", "DSN", "CONFIG"]
VARIABLES = ["TOKEN", "ACME", "MY_API_KEY", "FOO", "lower_case"]
HEADERS = ["Authorization", "X-Api-Key", "X-Team", "Cookie"]
HOSTS = [
    "a.example.com",
    "b.example.com:8443",
    "localhost:3000",
    "192.168.1.9",
    "mcp.atlassian.com",
]


class House(NamedTuple):
    """Files by place, the environment, and the user's mcpconf.toml."""

    files: dict[str, Any]
    environ: dict[str, str]
    policy: str


class _Planter:
    """Writes secrets into texts: as they are, or behind variables that it sets."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.environ: dict[str, str] = {}
        self.settings: dict[str, str] = {}

    def pick(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def text(self, secret: str, *, nested: bool = False) -> str:
        """One way to write a secret in a field that is expanded."""
        name = f"{self.pick(*VARIABLES)}_{len(self.environ) + len(self.settings)}"
        layer = self.pick(self.environ, self.settings)
        way = self.pick("literal", "variable", "default", *(["nested"] if nested else []))
        if way == "variable":
            layer[name] = secret
            return f"${{{name}}}"
        if way == "default" and "}" not in secret:
            return f"${{{name}:-{secret}}}"
        if way == "nested":
            layer[name], layer[f"{name}_INNER"] = f"${{{name}_INNER}}", secret
            return f"${{{name}}}"
        return secret

    def variable(self, secret: str) -> str:
        """A variable of the environment: its value is hidden wherever it turns up."""
        name = f"{self.pick(*VARIABLES)}_{len(self.environ) + len(self.settings)}"
        self.pick(self.environ, self.settings)[name] = secret
        return f"${{{name}}}"

    def header(self) -> str:
        text = self.text(self.draw(FOR_HEADERS), nested=True)
        return f"{self.pick('', 'Bearer ', 'Basic ')}{text}"

    def env(self) -> dict[str, str]:
        table = {}
        for name in self.draw(st.lists(st.sampled_from(ENV_NAMES), max_size=3, unique=True)):
            table[name] = self.text(self.draw(FOR_ENV))
        way = self.pick("", "", "dsn", "query", "json", "userinfo")
        secret = quote(self.draw(FOR_URLS), safe="")
        if way == "dsn":
            table["DATABASE_URL"] = self.text(f"postgres://app:{secret}@db.example.com:5432/x")
        elif way == "query":
            table["BASE_URL"] = self.text(f"https://api.example.com/v1?key={secret}")
        elif way == "userinfo":
            table["SENTRY_DSN"] = self.text(f"https://{secret}@o1.ingest.example.com/1")
        elif way == "json":
            table["OPENAPI_MCP_HEADERS"] = json.dumps({"Authorization": f"Bearer {secret}"})
        return table

    def url(self) -> str:
        host = self.pick(*HOSTS)
        start = self.pick("https://", "https://", "HTTPS://", "http://", "https:/", "https:\\\\")
        secret = quote(self.draw(FOR_URLS), safe="")
        if secret == quote(secret, safe="") and self.pick(False, True):
            secret = self.text(secret)
        random = self.draw(RANDOM)
        return self.pick(
            f"{start}{host}/{self.variable(self.draw(WORD))}/mcp",
            f"{start}{host}/mcp?api_key={secret}",
            f"{start}{host}/mcp?debug=true&q={secret}",
            f"{start}me:{secret}@{host}/mcp",
            f"{start}{secret}@{host}/mcp",
            f"{start}{host}/s/{random}/mcp",
            f"{start}{host}/mcp?{random}",
            f"{start}{host}/mcp#{secret}",
            f"localhost:3000/mcp?key={secret}",
        )

    def arguments(self) -> list[str]:
        secret = self.draw(FOR_ARGS)
        flag = self.pick("--api-key", "--token", "--password", "--access-token", "--secret")
        header = self.pick(*HEADERS)
        return self.pick(
            [flag, self.text(secret)],
            [f"{flag}={self.text(secret)}"],
            [self.pick("--header", "-H"), f"{header}: {self.text(secret)}"],
            ["--header", f"{header}:{self.text(secret)}"],
            [self.variable(secret)],
            ["--anything", self.variable(secret)],
            [f"--anything=x{self.variable(secret)}y"],
        )

    def remote(self) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "type": self.pick("http", "sse", "ws", "streamable-http"),
            "url": f"https://{self.pick(*HOSTS)}/mcp",
        }
        if self.pick(False, True):
            entry["url"] = self.url()
        if self.pick(False, True):
            entry["headers"] = {self.pick(*HEADERS): self.header(), "X-More": self.header()}
        if self.pick(False, False, True):
            entry["headersHelper"] = f'echo \'{{"X-Key": "{self.draw(KEY)}"}}\''
        return entry

    def process(self) -> dict[str, Any]:
        command = self.pick(["npx", "-y", "pkg"], ["docker", "run", "-i", "img"], ["uvx", "pkg"],
                            ["/usr/local/bin/x"], ["npx", "-y", "exa-mcp-server"])  # fmt: skip
        more = self.arguments() if self.pick(False, True) else ["--verbose"]
        return {"command": command[0], "args": [*command[1:], *more], "env": self.env()}

    def wrapper(self) -> dict[str, Any]:
        header = ["--header", f"Authorization: {self.header()}"]
        return {
            "command": "npx",
            "args": ["-y", "mcp-remote", self.url(), *(header if self.pick(False, True) else [])],
            "env": self.env(),
        }

    def broken(self) -> dict[str, Any]:
        return {"command": 5, "url": self.url(), "headers": {"X-Key": self.header(), "X-No": 7}}

    def entry(self) -> dict[str, Any]:
        make: Callable[[], dict[str, Any]] = self.pick(
            self.remote, self.remote, self.process, self.process, self.wrapper, self.broken
        )
        return make()


@st.composite
def houses(draw: st.DrawFn) -> House:
    """A house with secrets in it."""
    planter = _Planter(draw)
    names = ["one", "Two Words", "x/y"]
    servers = {name: planter.entry() for name in names[: draw(st.integers(1, 3))]}
    scope = planter.pick("user", "project", "local")
    trusted = planter.pick("", "one")
    policy = planter.pick("", 'http = "plain"\n', '[servers.one]\nroute = "gateway"\n')
    if trusted:
        policy += f'[[trust]]\nname = "one"\nproject = "<PROJECT>"\ndigest = "{Opaque(servers["one"]).digest()}"\n'
    files = {
        scope: servers,
        "user" if scope != "user" else "local": {"one": planter.entry()},
        "settings": {"env": planter.settings, "enableAllProjectMcpServers": True},
    }
    return House(files, planter.environ, policy)


def leaks(text: str) -> list[str]:
    """The surroundings of every mark in a text."""
    low = text.lower()
    return [text[max(0, low.index(m) - 60) :][:140] for m in MARKS if m in low]
