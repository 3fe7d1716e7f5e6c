"""The round policy: one typed file that says how a round is run, and its replay."""
