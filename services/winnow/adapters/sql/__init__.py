"""The ledger port once, in SQLAlchemy Core, for SQLite and PostgreSQL alike."""
