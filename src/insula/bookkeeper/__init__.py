"""The door `insula ledger`: keeps the book of what homes use."""
