"""Ranges of addresses: what the internet is, what no home ever reaches, and what stays of a range without others."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Final, TypeVar

_N = TypeVar("_N", IPv4Network, IPv6Network)

# Whoever translates between the families makes IPv4 of these (RFC 6052): they are IPv4 by another name.
NAT64: Final = IPv6Network("64:ff9b::/96")
# 2000::/3 is all of IPv6 that is routed: loopback, link-local, unique local, multicast and IPv4-mapped addresses lie
# outside of it and need no word.
INTERNET: Final = ("0.0.0.0/0", "2000::/3", str(NAT64))

# What a machine and its cloud tell whoever asks from there: no home reaches it, and no plan opens it.
SEALED: Final = (
    "0.0.0.0/8",  # this machine
    "127.0.0.0/8",
    "169.254.0.0/16",  # link-local: the metadata of most clouds, and services of a node
    "100.100.100.200/32",  # the metadata of Alibaba Cloud
    "168.63.129.16/32",  # the platform's own address in Azure
    "192.0.0.192/32",  # the metadata of Oracle's older cloud
    "::/127",  # this machine
    "::ffff:0:0/96",  # IPv4-mapped: a socket makes IPv4 of it
    "fe80::/10",  # link-local
    "fd00:ec2::/32",  # the metadata of AWS
    "fd20:ce::254/128",  # the metadata of Google Cloud
)


@dataclass(frozen=True)
class Block:
    """A range, and what is taken out of it."""

    cidr: str
    exceptions: tuple[str, ...] = ()


# Thousands of homes are rendered from a handful of plans.
@functools.lru_cache(maxsize=256)
def without(wanted: tuple[str, ...], shut: tuple[str, ...]) -> tuple[Block, ...]:
    """Return what stays of the wanted ranges; one of which nothing stays is left out.

    IPv4 that is shut is shut in its NAT64 form, too. Exceptions lie within their range, merged and in order:
    Kubernetes refuses others.
    """
    networks = [ip_network(cidr, strict=False) for cidr in shut]
    shut_v4 = [each for each in networks if isinstance(each, IPv4Network)]
    shut_v6 = [each for each in networks if isinstance(each, IPv6Network)] + [_translated(each) for each in shut_v4]
    blocks: list[Block] = []
    for cidr in wanted:
        whole = ip_network(cidr, strict=False)
        blocks += _rest(whole, shut_v4) if isinstance(whole, IPv4Network) else _rest(whole, shut_v6)
    return tuple(blocks)


def _rest(whole: _N, shut: list[_N]) -> Iterator[Block]:
    if not any(whole.subnet_of(each) for each in shut):
        within = sorted(collapse_addresses(each for each in shut if each.subnet_of(whole)))
        yield Block(str(whole), tuple(map(str, within)))


def _translated(network: IPv4Network) -> IPv6Network:
    return IPv6Network((int(NAT64.network_address) | int(network.network_address), 96 + network.prefixlen))
