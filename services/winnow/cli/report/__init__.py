"""The report: what the rounds of a world bought, in one self-contained page."""
