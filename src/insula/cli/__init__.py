"""What a person types: tenants, models and the doctor, with the person's own kubeconfig."""
