"""What is rendered, what is watched and what is pruned are the same kinds."""

from builders import MODELS_UID, a_platform, a_situation, a_sleeper
from insula.kube import kinds
from insula.reconcile import prune
from insula.reconcile.model import NAMESPACE_KIND, OWNED_KINDS, POD_KIND
from insula.render.stack import stack


def test_every_rendered_kind_is_watched() -> None:
    rendered = stack(a_situation(a_sleeper(), route=True, pull=MODELS_UID, converse="fingerprint"), a_platform())
    seen = {(each["apiVersion"], each["kind"]) for each in (*rendered.ground[1:], *rendered.house)}
    assert seen == {(each.api_version, each.kind) for each in OWNED_KINDS}


def test_all_watched_kinds_but_volumes_are_pruned() -> None:
    assert {each.kind for each in OWNED_KINDS} - {"PersistentVolumeClaim"} == set(prune.PRUNED_KINDS)


def test_kubernetes_keeps_each_kind_where_we_look_for_it() -> None:
    for each in (*OWNED_KINDS, NAMESPACE_KIND, POD_KIND):
        known = kinds.of(each.api_version, each.kind)
        assert (known.plural, known.namespaced) == (each.plural, each.namespaced)
