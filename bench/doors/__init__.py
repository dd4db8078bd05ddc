"""The parts of `bench.gateway`: a cluster of many homes, an Ollama without a model, the doors that are compared."""
