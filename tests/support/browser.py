"""A browser for the tests of the web page: one that is installed, else one that ``make test`` installs where it may.

As a program it makes sure that there is one, and says in one line what to install where it cannot; the tests that
need it then fail with the same line, and all others run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGES = (("chromium-headless-shell", "fonts-wqy-microhei"), ("chromium", "fonts-wqy-microhei"))
"""What Debian calls the browser, and a font for Chinese; the second is for releases that do not have the first."""


def find_browser() -> str:
    """Return the path of a browser.

    Raises:
        RuntimeError: there is none; the message says what to do.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise RuntimeError(
            "the tests of the web page need Chromium; install it, on Debian with: apt-get install"
            f" {' '.join(PACKAGES[0])}"
        )
    return found


def install() -> None:
    """Install a browser by Debian's own means, if there is none and this user may."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=quiet, check=False)
    for packages in PACKAGES:
        command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
        if subprocess.run(command, env=quiet, check=False, stdout=subprocess.DEVNULL).returncode == 0:
            return


def main() -> None:
    """Make sure that there is a browser."""
    try:
        find_browser()
    except RuntimeError:
        install()
    try:
        find_browser()
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")


if __name__ == "__main__":
    main()
