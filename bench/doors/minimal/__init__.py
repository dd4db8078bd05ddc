"""One and the same small proxy for each server that was to choose from. It runs in an environment of its own."""
