"""Runs the labeling gateway: `python -m labeling_gateway`."""

from labeling_gateway.app import app
from winnow.runtime.run import main

if __name__ == "__main__":
    main(app)
