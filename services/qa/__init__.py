"""QA: what is inspected, what becomes of each label, and which data set may be used."""
