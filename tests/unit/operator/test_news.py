from insula.domain.manifests import Manifest
from insula.operator.news import News


def a_tenant(version: int, *, generation: int = 1, annotations: dict[str, str] | None = None) -> Manifest:
    metadata = {"name": "alice", "uid": "u", "resourceVersion": str(version), "generation": generation}
    return {"kind": "Tenant", "metadata": {**metadata, "annotations": annotations or {}}, "status": {"seen": version}}


def test_what_comes_is_news_once() -> None:
    news = News()
    assert [news.take(a_tenant(1)), news.take(a_tenant(1))] == [True, False]


def test_a_status_is_no_news() -> None:
    news = News()
    news.take(a_tenant(1))
    assert not news.take(a_tenant(2))


def test_a_spec_and_an_annotation_are_news() -> None:
    news = News()
    news.take(a_tenant(1))
    assert news.take(a_tenant(2, generation=2))
    assert news.take(a_tenant(3, generation=2, annotations={"insula.dev/rotate-key": "now"}))


def test_what_goes_is_news_and_so_is_its_return() -> None:
    news = News()
    news.take(a_tenant(1))
    assert news.take(a_tenant(1), is_gone=True)
    assert news.take(a_tenant(1))


def a_lease(version: int, holder: str, renewed: str) -> Manifest:
    metadata = {"name": "activity", "namespace": "insula-alice", "uid": "l", "resourceVersion": str(version)}
    return {"kind": "Lease", "metadata": metadata, "spec": {"holderIdentity": holder, "renewTime": renewed}}


def test_that_a_lease_was_renewed_is_no_news_and_what_it_says_is() -> None:
    news = News()
    news.take(a_lease(1, "awake", "12:00"))
    assert not news.take(a_lease(2, "awake", "12:01"))
    assert news.take(a_lease(3, "asleep", "12:01"))
    assert news.take(a_lease(3, "asleep", "12:01"), is_gone=True)
