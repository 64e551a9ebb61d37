"""Several processes at one run, as torchrun and accelerate launch start them.

They train together. What is not trained is made by the first of them: before, the others wait for
it; when nothing is left to train, they end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def first_ahead() -> Iterator[None]:
    """The first process goes through the block; then the others, who find everything made."""
    if not _launched():
        yield
        return
    from haiga.models.device import ranks

    with ranks().main_process_first():
        yield


def alone() -> bool:
    """The processes part for good: True in the first, which goes on, and False in the others.

    All of them must get here before any goes on.
    """
    if not _launched():
        return True
    from haiga.models.device import ranks

    ranks().wait_for_everyone()
    ranks().destroy_process_group()
    return bool(ranks().is_main_process)


def first() -> bool:
    """Whether this is the only process, or the first of several, over all machines."""
    return not _launched() or os.environ.get("RANK", "0") == "0"


def _launched() -> bool:
    """Told by the environment, so that torch is not loaded where there is one process."""
    return "LOCAL_RANK" in os.environ
