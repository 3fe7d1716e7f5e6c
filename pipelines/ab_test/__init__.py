"""A committee's choice against manual curation: which labels improve the detector more."""
