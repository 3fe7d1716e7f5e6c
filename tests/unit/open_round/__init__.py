"""Tests of the pipeline that opens rounds."""
