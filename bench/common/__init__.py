"""What all measurements share: the form of a figure, the machine it was taken on, a home to talk to."""
