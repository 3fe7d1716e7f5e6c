"""Runs scoring: `python -m scoring`."""

from scoring.app import app
from winnow.runtime.run import main

if __name__ == "__main__":
    main(app)
