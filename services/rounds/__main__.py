"""Runs rounds: `python -m rounds`."""

from rounds.app import app
from winnow.runtime.run import main

if __name__ == "__main__":
    main(app)
