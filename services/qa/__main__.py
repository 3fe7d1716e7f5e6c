"""Runs QA: `python -m qa`."""

from qa.app import app
from winnow.runtime.run import main

if __name__ == "__main__":
    main(app)
