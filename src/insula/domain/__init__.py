"""What Insula speaks of: tenants, plans, names, conditions, errors. Standard library only, no I/O."""
