"""The figures of shared models say what was counted."""

from bench.models import Taken, _figures, _less
from bench.sharing.additions import Addition
from bench.sharing.copies import Copies

from insula.domain.models import ModelForm
from insula.ollama.manifests import Blob

WEIGHTS = Blob("sha256:1", 100, "application/vnd.ollama.image.model")


def taken() -> Taken:
    shared = {count: Copies(1, 100, 100) for count in (1, 2, 10)}
    private = {count: Copies(count, 100 * count, 90 * count) for count in (1, 2, 10)}
    counted = {ModelForm.IMAGE: shared, ModelForm.VOLUME: private}
    return Taken(WEIGHTS, counted, [7.0, 9.0, 8.0], [Addition(4.0, 0.5), Addition(6.0, 0.25)], load=1.0)


def test_a_ratio_is_to_the_size_of_the_weights_and_beside_the_private_form() -> None:
    found = {figure.figure: figure for figure in _figures(taken())}
    disk, cache = found["disk_ratio_10_tenants"], found["page_cache_ratio_10_tenants"]
    assert (disk.median, disk.peer) == (1.0, 10.0)
    assert (cache.median, cache.peer) == (1.0, 9.0)


def test_the_restart_of_the_pod_is_counted_and_shown_apart() -> None:
    found = {figure.figure: figure for figure in _figures(taken())}
    assert found["add_present_model_seconds"].values == [4.0, 6.0]
    assert found["add_present_model_seconds"].peer == 8.0
    assert found["add_present_model_platform_seconds"].values == [0.5, 0.25]
    assert found["add_present_model_restart_seconds"].values == [3.5, 5.75]


def test_what_was_there_before_is_not_counted() -> None:
    assert _less(Copies(11, 1100, 900), Copies(1, 100, 100)) == Copies(10, 1000, 800)
