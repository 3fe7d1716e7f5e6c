"""Memory that one batch has left serves the next."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

BATCHES = """
import resource
for batch in range(10):
    [b"x" * (4 << 20) for block in range(8)]
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
KEEPING = "from winnow.tasks.memory import keep_freed_memory; keep_freed_memory()"
PAGES_OF_A_BATCH = 8 * (4 << 20) // 4096


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="settings of glibc")
def test_batches_use_the_pages_of_the_first_one() -> None:
    assert _pages_mapped(f"{KEEPING}\n{BATCHES}") < _pages_mapped(BATCHES) - 5 * PAGES_OF_A_BATCH


def _pages_mapped(program: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return int(done.stdout)
