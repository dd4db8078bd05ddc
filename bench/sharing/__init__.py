"""How much a model costs a node that many homes share, against a copy for each."""
