"""Preflight: what was seen of a machine is judged before anything is changed, and every complaint has a remedy."""

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from insula.sandbox import machine
from insula.sandbox.cgroups import V1_REQUIRED, V2_REQUIRED, Groups, Version
from insula.sandbox.layout import Layout
from insula.sandbox.machine import Machine
from insula.sandbox.preflight import GIB, Check, Verdict, judge, kernel_version, may_start

LAYOUT = Layout.default({})
GOOD = Machine(
    is_root=True,
    kernel="6.1.0-18-amd64",
    has_bpf=True,
    has_btf=True,
    has_overlay=True,
    has_nftables=True,
    link_kinds=frozenset(machine.LINK_KINDS),
    groups=Groups(Version.V2, (Path("/sys/fs/cgroup"),), frozenset({*V2_REQUIRED, "io"})),
    memory=8 * GIB,
    disk_free=100 * GIB,
    cache_free=100 * GIB,
    cache_used=0,
    same_disk=True,
    can_raise_settings=True,
    inotify_instances=128,
    routes=((IPv4Network("192.168.1.0/24"), "eth0"),),
    commands=frozenset(machine.COMMANDS),
    leftovers=(),
    old_volumes=False,
)


def the_check(name: str, seen: Machine) -> Check:
    return next(check for check in judge(seen, LAYOUT) if check.name == name)


def test_good_machine_passes_every_check() -> None:
    checks = judge(GOOD, LAYOUT)
    assert {check.verdict for check in checks} == {Verdict.OK}
    assert may_start(checks)


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("root", replace(GOOD, is_root=False)),
        ("commands", replace(GOOD, commands=GOOD.commands - {"runc"})),
        ("kernel", replace(GOOD, kernel="5.4.0-generic")),
        ("BPF", replace(GOOD, has_bpf=False)),
        ("BTF", replace(GOOD, has_btf=False)),
        ("overlay", replace(GOOD, has_overlay=False)),
        ("nftables", replace(GOOD, has_nftables=False)),
        ("vxlan", replace(GOOD, link_kinds=frozenset({"veth", "bridge"}))),
        ("memory", replace(GOOD, memory=4 * GIB)),
        ("disk", replace(GOOD, disk_free=2 * GIB)),
        ("control groups", replace(GOOD, groups=Groups(Version.NONE, (), frozenset()))),
        ("addresses", replace(GOOD, routes=((IPv4Network("10.99.0.0/16"), "tun0"),))),
        ("volumes", replace(GOOD, old_volumes=True)),
    ],
)
def test_each_lack_fails_its_check_with_a_remedy(name: str, seen: Machine) -> None:
    check = the_check(name, seen)
    assert check.verdict is Verdict.FAIL
    assert check.remedy
    assert not may_start(judge(seen, LAYOUT))


def test_missing_commands_are_told_by_their_packages() -> None:
    check = the_check("commands", replace(GOOD, commands=GOOD.commands - {"runc", "nsenter"}))
    assert (check.reason, check.remedy) == ("missing: nsenter, runc", "install the packages runc, util-linux")


def test_version_1_needs_its_own_controllers() -> None:
    v1 = Groups(Version.V1, (Path("/sys/fs/cgroup/cpu"),), frozenset(V1_REQUIRED))
    assert the_check("control groups", replace(GOOD, groups=v1)).verdict is Verdict.OK
    without = replace(v1, controllers=v1.controllers - {"devices"})
    assert the_check("control groups", replace(GOOD, groups=without)).reason == "v1, without devices"


def test_little_disk_warns_since_the_programs_may_be_built_already() -> None:
    assert the_check("disk", replace(GOOD, disk_free=20 * GIB)).verdict is Verdict.WARN


def test_a_full_cache_needs_no_disk_to_build() -> None:
    assert the_check("disk", replace(GOOD, disk_free=10 * GIB, cache_used=6 * GIB)).verdict is Verdict.OK


def test_two_disks_are_judged_apart() -> None:
    seen = replace(GOOD, same_disk=False, disk_free=15 * GIB, cache_free=1 * GIB)
    assert the_check("disk of the state", seen).verdict is Verdict.OK
    assert the_check("disk of the cache", seen).verdict is Verdict.FAIL


def test_own_bridge_is_no_clash_of_addresses() -> None:
    seen = replace(GOOD, routes=((LAYOUT.network, LAYOUT.bridge),))
    assert the_check("addresses", seen).verdict is Verdict.OK


def test_leftovers_warn_and_do_not_stop_a_start() -> None:
    checks = judge(replace(GOOD, leftovers=("insula0",)), LAYOUT)
    assert the_check("leftovers", replace(GOOD, leftovers=("insula0",))).verdict is Verdict.WARN
    assert may_start(checks)


def test_settings_that_cannot_be_raised_warn() -> None:
    assert the_check("inotify", replace(GOOD, can_raise_settings=False)).verdict is Verdict.WARN


@pytest.mark.parametrize(
    ("release", "version"), [("6.18.44-fc-v669", (6, 18)), ("5.15-rc1", (5, 15)), ("strange", (0, 0))]
)
def test_kernel_versions_are_read_from_any_release(release: str, version: tuple[int, int]) -> None:
    assert kernel_version(release) == version
