"""Places where a test may kill the process, to prove that a run survives it; they do nothing otherwise.

`GDP_FAULT=images.renamed` kills the whole process group there with SIGKILL. With `GDP_FAULT_ONCE=FILE` only the process
itself dies, and only the first that gets there: the file marks that it has happened.
"""

import os
import signal
import time

STEPS = ("opened", "written", "synced", "renamed", "folder_synced")
"""What a file goes through on its way to its final name."""


def reach(point: str) -> None:
    """Die here if the environment asks for it."""
    if os.environ.get("GDP_FAULT") != point:
        return
    once = os.environ.get("GDP_FAULT_ONCE")
    if once is None:
        os.killpg(0, signal.SIGKILL)
    else:
        try:
            os.close(os.open(once, os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # the signal is on its way
