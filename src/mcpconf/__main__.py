"""``python -m mcpconf``: the one place where exceptions become text and an exit code."""

from __future__ import annotations

import gc
import sys

from mcpconf.errors import Exit, Failure


def main() -> None:
    """Run the command line and leave with one of the exit codes of ``errors.Exit``."""
    gc.disable()  # a compile is over in 0.1 s; the collector would take a third of it
    try:
        from mcpconf.cli import app  # noqa: PLC0415  a failing import is reported as a bug too

        app()
    except Failure as failure:
        from mcpconf import report  # noqa: PLC0415

        report.failure(failure)
        raise SystemExit(failure.exit) from None
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; saying so would fail as well
        raise SystemExit(Exit.DONE) from None
    except KeyboardInterrupt:
        raise SystemExit(Exit.INTERRUPTED) from None
    except Exception as bug:  # noqa: BLE001  the one place that catches everything
        from mcpconf import report  # noqa: PLC0415

        report.bug(bug)
        raise SystemExit(Exit.BUG) from None


if __name__ == "__main__":
    main()
