"""The parts of `bench.controller`: an API server, operators as processes, homes by the thousand, and the figures."""
