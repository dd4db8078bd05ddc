"""The sandbox: a real Kubernetes on one bare Linux machine, its nodes being namespaces."""
