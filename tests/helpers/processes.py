"""The processes that another one has started."""

from contextlib import suppress

import psutil


def running_below(pid: int) -> dict[psutil.Process, str]:
    """Those that a process has started, and that these have, with their names; one that ends meanwhile is left out."""
    found = {}
    for process in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found[process] = process.name()
    return found
