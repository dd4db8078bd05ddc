"""Use cases: what Insula does, told in terms of ports that the outside fulfils."""
