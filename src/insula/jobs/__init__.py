"""What Insula runs inside a home, as Kubernetes Jobs without any right in the cluster."""
