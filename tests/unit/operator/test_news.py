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
