"""Fakes that implement ports, builders and port suites; shipped, so that users test with them."""
