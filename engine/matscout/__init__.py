"""matscout: find the next experiment worth doing when data are scarce and lopsided."""
