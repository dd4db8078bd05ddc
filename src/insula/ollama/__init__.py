"""The only speaker to Ollama, to its store on disk and to registries of models."""
