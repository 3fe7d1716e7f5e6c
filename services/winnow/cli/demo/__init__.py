"""`winnow demo`: paired worlds, each run by the commands that users call."""
