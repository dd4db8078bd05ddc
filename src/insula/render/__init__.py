"""Pure: a tenant's situation → Kubernetes objects. A module per concern; `stack` is the ordered whole."""
