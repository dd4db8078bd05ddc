"""What a soak of the gateway is made of: a street of homes, Ollamas that fail, callers that leave, doors that die."""
