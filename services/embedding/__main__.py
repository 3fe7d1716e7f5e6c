"""Runs embedding: `python -m embedding`."""

from embedding.app import app
from winnow.runtime.run import main

if __name__ == "__main__":
    main(app)
