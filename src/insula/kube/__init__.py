"""The only speaker to Kubernetes: raw JSON over one HTTP client, watches that recover, a Lease that fences."""
