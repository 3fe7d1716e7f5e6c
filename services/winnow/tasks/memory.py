"""What the C library does with memory that a network's values have left."""

from __future__ import annotations

import numpy as np

KEPT_BYTES = 31 << 20


def keep_freed_memory() -> None:
    """Have this process keep freed memory for the next batch, up to about 64 MiB a thread.

    glibc gives memory back to the system when twice the largest block that was ever freed lies
    idle, and counts no block above 32 MiB (`man mallopt`, M_MMAP_THRESHOLD). Until it has seen a
    large one, every batch of frames has its pages mapped and zeroed anew, up to half of the time.
    So it is shown one, which nothing was written to. Settings of `MALLOC_…_` win, and other
    libraries take no notice.
    """
    np.empty(KEPT_BYTES, dtype=np.uint8)
