"""Insula: an isolated Home Assistant and Ollama for every person, on shared Kubernetes."""
