"""Runs selection: `python -m selection`."""

from selection.app import app
from winnow.runtime.run import main

if __name__ == "__main__":
    main(app)
