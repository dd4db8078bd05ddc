"""What holds for all layers of tests. It stands here, above them, because a layer may have a file of this name."""

from hypothesis import settings

# No test judges by a clock: a busy machine is no fault of what is tried.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
