"""``queuectld``: run the daemon in the foreground until a signal ends it."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from functools import partial
from pathlib import Path

from queuectl import __version__
from queuectl.errors import ExitCode, QueuectlError
from queuectl.settings import in_clear, load
from queuectl.settings.model import ROLES
from queuectl_daemon.arenas import keep_few_arenas

_PATIENCE_SECONDS = 2.0


def main() -> None:
    """Run the daemon and exit with its status, whatever threads handlers have left behind."""
    keep_few_arenas()
    status = run(sys.argv[1:])
    # The interpreter waits for some kinds of threads, which may be for ever; their tasks have been given back.
    threading.Thread(target=_end_anyway, args=(status,), daemon=True).start()
    sys.exit(status)


def _end_anyway(status: int) -> None:
    threading.Event().wait(_PATIENCE_SECONDS)
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Run the daemon with these command-line arguments and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        read = partial(load, home=options.home, config=options.config, overrides=_overrides(options))
        settings = read().settings
        # Imported only now, so that a wrong configuration is reported at once.
        from queuectl_daemon import log
        from queuectl_daemon.service import Service

        log.set_up(settings, options.log_file)
        for sentence in in_clear(settings):
            log.logger.warning("%s", sentence, extra={"action": "unencrypted"})
        return Service(settings, read=read, log_file=options.log_file).run()
    except QueuectlError as error:
        sys.stderr.write(f"queuectld: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return int(error.exit_code)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)


def _overrides(options: argparse.Namespace) -> dict[str, object]:
    return {"role": options.role, "workers": options.workers, "web_port": 0 if options.no_web else None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="queuectld", description="Run the queuectl daemon in the foreground."
    )
    parser.add_argument("--home", type=Path, help="the folder that holds everything")
    parser.add_argument("--config", type=Path, help="the configuration file")
    parser.add_argument(
        "--role", choices=ROLES, help="run tasks only, or everything but tasks; by default all"
    )
    parser.add_argument("--workers", type=int, help="how many tasks run at a time")
    parser.add_argument("--no-web", action="store_true", help="serve no web page")
    parser.add_argument(
        "--log-file", type=Path, help="the file that standard error goes to, to be kept from growing for ever"
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser


if __name__ == "__main__":
    main()
