"""The only speaker to the ledger's database."""
