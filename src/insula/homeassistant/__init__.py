"""The only speaker to Home Assistant: its login, its flows, its conversation."""
