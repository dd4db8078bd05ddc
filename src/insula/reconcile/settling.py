"""Where a live object may not be changed to what was rendered: what to do instead."""

from collections.abc import Iterable, Mapping

from insula.domain import names
from insula.domain.manifests import Manifest, ObjectRef, reference
from insula.domain.probes import WITHIN
from insula.reconcile import reading
from insula.reconcile.covers import quantity
from insula.reconcile.facts import Facts
from insula.reconcile.job_reports import JobReport


def settled(live: Manifest | None, desired: Manifest) -> Manifest:
    """Return the desired object as the live one allows: a volume claim keeps its class and never shrinks."""
    if desired["kind"] != "PersistentVolumeClaim" or live is None:
        return desired
    spec = {key: value for key, value in desired["spec"].items() if key != "storageClassName"}
    present = live["spec"]
    if "storageClassName" in present:
        spec["storageClassName"] = present["storageClassName"]
    held = _storage(present)
    if (quantity(held) or 0) > (quantity(_storage(spec)) or 0):
        spec["resources"] = {"requests": {"storage": held}}
    return desired | {"spec": spec}


def outdated_jobs(
    objects: Mapping[ObjectRef, Manifest], desired: Iterable[Manifest], facts: Facts
) -> tuple[ObjectRef, ...]:
    """Return the live Jobs that were rendered otherwise, or gave up so long ago that it is time to try again."""
    probes = dict(zip(map(names.probe, WITHIN), facts.probes, strict=True))
    reports: Mapping[str, JobReport] = {names.PULL: facts.pull, names.CONVERSE: facts.converse, **probes}
    found = []
    for each in desired:
        ref = reference(each)
        live = objects.get(ref)
        if ref.kind != "Job" or live is None or reading.is_leaving(live):
            continue
        report = reports.get(ref.name)
        is_due = report is not None and report.retry_in_s == 0
        if is_due or not is_rendered_alike(live, each):
            found.append(ref)
    return tuple(found)


def is_rendered_alike(live: Manifest, desired: Manifest) -> bool:
    """Say whether the live object was made from this very rendering."""
    return reading.rendered_hash(live) == reading.rendered_hash(desired)


def _storage(spec: Manifest) -> str:
    return str(((spec.get("resources") or {}).get("requests") or {}).get("storage", "0"))
