"""One consumer loop for all services: inbox, handler, outbox, retries, dead letters, health."""
