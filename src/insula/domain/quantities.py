"""Amounts of CPU and memory in whole millicores and MiB, and the way Kubernetes writes them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Resources:
    """CPU in millicores and memory in MiB, requested and limited. A request never exceeds its limit."""

    cpu_request_m: int
    cpu_limit_m: int
    memory_request_mib: int
    memory_limit_mib: int

    def to_manifest(self) -> dict[str, dict[str, str]]:
        """Return the `resources` field of a container."""
        return {
            "requests": {"cpu": f"{self.cpu_request_m}m", "memory": f"{self.memory_request_mib}Mi"},
            "limits": {"cpu": f"{self.cpu_limit_m}m", "memory": f"{self.memory_limit_mib}Mi"},
        }

    def fits_in(self, ceiling: "Resources") -> bool:
        """Say whether no amount exceeds the ceiling's limit of its kind."""
        return self.cpu_limit_m <= ceiling.cpu_limit_m and self.memory_limit_mib <= ceiling.memory_limit_mib
