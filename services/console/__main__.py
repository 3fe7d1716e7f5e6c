"""Runs the console: `python -m console`."""

from console.app import app
from winnow.runtime.run import main

if __name__ == "__main__":
    main(app)
