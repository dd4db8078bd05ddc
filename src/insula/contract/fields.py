"""The kinds of strings and numbers that several models share."""

import ipaddress
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from insula.contract.base import Shape

LABEL_PATTERN: Final = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_HOST_PATTERN: Final = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+"
_HOST_GLOB_PATTERN: Final = r"[a-z0-9*-]+(\.[a-z0-9*-]+)+"
_IMAGE_NAME: Final = r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]+)?(/[a-z0-9._-]+)*"
_IMAGE_PATTERN: Final = _IMAGE_NAME + r"(:[a-zA-Z0-9_][a-zA-Z0-9_.-]*(@sha256:[a-f0-9]{64})?|@sha256:[a-f0-9]{64})"
_MODEL_PATTERN: Final = r"[a-z0-9][a-z0-9._-]*:[a-zA-Z0-9_][a-zA-Z0-9._-]*"
_UUID_PATTERN: Final = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def _moves_never(image: str) -> str:
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    if tag == "latest" and "@" not in image:
        raise ValueError("the tag latest moves: name a version or a digest")
    return image


def _network(cidr: str) -> str:
    try:
        ipaddress.ip_network(cidr)
    except ValueError as error:
        raise ValueError(f"this is no range of addresses ({error}): write it like 192.168.1.0/24") from error
    return cidr


ObjectName = Annotated[
    str,
    Field(min_length=1, max_length=63),
    Shape(LABEL_PATTERN, "a name has lower-case letters, digits and hyphens, and no hyphen at its ends"),
]
Email = Annotated[
    str,
    Field(min_length=3, max_length=254),
    Shape(r"[^@\x00-\x20]+@[^@\x00-\x20]+", "the owner is an e-mail address, for example alice@example.com"),
]
Image = Annotated[
    str,
    Field(max_length=512),
    Shape(_IMAGE_PATTERN, "an image is written name:version or name@sha256:digest"),
    AfterValidator(_moves_never),
]
ModelName = Annotated[
    str,
    Field(max_length=128),
    Shape(_MODEL_PATTERN, "a model is written name:tag, for example gemma3:270m"),
]
ModelGlob = Annotated[
    str,
    Field(min_length=1, max_length=128),
    Shape(r"[a-zA-Z0-9._:*?-]+", "a pattern of models is written like gemma3:*"),
]
Host = Annotated[
    str,
    Field(max_length=253),
    Shape(_HOST_PATTERN, "a host is a DNS name in lower case, for example ha.alice.example.com"),
]
HostGlob = Annotated[
    str,
    Field(max_length=253),
    Shape(_HOST_GLOB_PATTERN, "a pattern of hosts is written like *.homes.example.com; a star stays within one label"),
]
Cidr = Annotated[
    str,
    Field(max_length=49),
    Shape(r"[0-9a-fA-F.:]+/[0-9]{1,3}", "a range of addresses is written like 192.168.1.0/24"),
    AfterValidator(_network),
]
TenantId = Annotated[
    str,
    Field(max_length=36),
    Shape(_UUID_PATTERN, "an identity is a UUID, as the label insula.dev/tenant-id on the kept Namespace shows it"),
]
StorageGiB = Annotated[int, Field(ge=1, le=16384)]
GpuShares = Annotated[int, Field(ge=0, le=64)]
Port = Annotated[int, Field(ge=1, le=65535)]
