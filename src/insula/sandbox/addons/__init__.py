"""What makes a bare cluster a platform: pod network, volumes, ingress, certificates, models, and Insula itself.

One file per add-on, as Kubernetes reads it; `$name` stands for what differs from sandbox to sandbox.
"""
