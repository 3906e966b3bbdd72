"""Homes that several faults share: made by whoever asks in one first, ended after the last."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Self

from tests.faults.asking import Answer, explained
from tests.faults.scene import Fault, Scene


class Homes:
    """A scene for each home; a fault without one has a scene of its own."""

    def __init__(self, faults: Iterable[Fault], **how: Any) -> None:
        self._how = how
        self._faults: dict[str, list[Fault]] = {}
        self._scenes: dict[str, Future[Scene]] = {}
        self._lock = threading.Lock()
        self._ending = contextlib.ExitStack()
        for fault in faults:
            self._faults.setdefault(fault.home, []).append(fault)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def ask(self, fault: Fault) -> Answer:
        if fault.home:
            return explained(self._shared(fault.home), fault.name)
        with Scene([fault], **self._how) as scene:
            return explained(scene.build().compile(), fault.name)

    def _shared(self, home: str) -> Scene:
        with self._lock:
            first = home not in self._scenes
            waiting = self._scenes.setdefault(home, Future())
        if first:
            try:
                scene = self._ending.enter_context(Scene(self._faults[home], **self._how))
                waiting.set_result(scene.build().compile())
            except BaseException as error:  # noqa: BLE001  whoever waits has to know
                waiting.set_exception(error)
        return waiting.result()
