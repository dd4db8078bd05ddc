"""The only speaker to the ledger: to its database, and, for other processes, to the ledger itself."""
