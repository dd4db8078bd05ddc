"""The operator's process: queue, workers, metrics, health, and the order in which they start and stop."""
