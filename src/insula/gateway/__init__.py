"""The one door to every Ollama: it knows the tenant by the key, opens few paths, and streams bytes untouched."""
