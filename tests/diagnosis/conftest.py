"""A house with a gateway of its own, as the service's tests have it."""

from tests.service.conftest import ask, gateway, home, port, serve  # noqa: F401
