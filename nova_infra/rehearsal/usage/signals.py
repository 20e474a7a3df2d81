"""Whether a process handles a signal such as SIGTERM, as Linux lists it (proc_pid_status.5)."""

import re
import signal
from pathlib import Path


def handles(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of a signal, or waits for it. The first one of a container gets no others."""
    return any(_in_mask(pid, number, mask, unknown=True) for mask in ("SigCgt", "SigBlk"))


def ignores(pid: int, number: signal.Signals) -> bool:
    """Whether a process ignores a signal; not where that is not known."""
    return _in_mask(pid, number, "SigIgn", unknown=False)


def _in_mask(pid: int, number: signal.Signals, mask: str, *, unknown: bool) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return unknown
    match = re.search(rf"^{mask}:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(match.group(1), 16) >> (number - 1) & 1) if match else unknown
