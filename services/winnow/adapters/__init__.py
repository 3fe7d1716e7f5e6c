"""One module per real thing behind a port; chosen by URL in composition roots."""
