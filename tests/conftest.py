"""What all tests share."""

from hypothesis import settings

# How long an example takes says more about the machine's other work than about the code; and a
# failure that only some runs see cannot be told from a flaky one.
settings.register_profile("winnow", deadline=None, derandomize=True)
settings.load_profile("winnow")
