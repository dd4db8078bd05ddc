"""When a live object already is what was rendered."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from insula.reconcile.covers import covers, quantity


def test_fields_that_others_added_do_not_matter() -> None:
    assert covers({"a": 1, "status": {"x": 1}}, {"a": 1})


def test_a_missing_field_matters() -> None:
    assert not covers({"a": 1}, {"a": 1, "b": 2})


def test_another_value_matters() -> None:
    assert not covers({"spec": {"replicas": 0}}, {"spec": {"replicas": 1}})


@pytest.mark.parametrize("empty", [{}, [], None])
def test_what_is_empty_may_be_missing(empty: Any) -> None:
    assert covers({}, {"spec": empty})


@pytest.mark.parametrize(
    ("one", "other"), [("1000m", "1"), ("1024Mi", "1Gi"), ("1Ki", "1024"), ("0.5", "500m"), ("1e3", "1k"), ("2", 2)]
)
def test_quantities_are_compared_by_amount(one: str, other: Any) -> None:
    assert covers({"limits": {"cpu": other}}, {"limits": {"cpu": one}})
    assert covers({"hard": {"limits.cpu": other}}, {"hard": {"limits.cpu": one}})


def test_other_quantities_are_other_amounts() -> None:
    assert not covers({"limits": {"cpu": "2"}}, {"limits": {"cpu": "1000m"}})


def test_text_that_looks_like_a_quantity_is_text_elsewhere() -> None:
    assert not covers({"data": {"size": "1"}}, {"data": {"size": "1000m"}})


def test_a_size_limit_is_a_quantity() -> None:
    assert covers({"emptyDir": {"sizeLimit": "4Gi"}}, {"emptyDir": {"sizeLimit": "4096Mi"}})


def test_containers_are_found_by_name_in_any_order() -> None:
    live = {"containers": [{"name": "side"}, {"name": "main", "image": "a", "extra": 1}]}
    assert covers(live, {"containers": [{"name": "main", "image": "a"}]})
    assert not covers(live, {"containers": [{"name": "main", "image": "b"}]})
    assert not covers(live, {"containers": [{"name": "other"}]})


def test_environment_is_found_by_name() -> None:
    live = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    assert covers(live, {"env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]})


def test_ports_are_found_by_number_and_protocol() -> None:
    live = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP", "nodePort": 1}]}
    assert covers(live, {"ports": [{"port": 53}]})
    assert not covers({"ports": [{"port": 53, "protocol": "UDP"}]}, {"ports": [{"port": 53}]})


def test_other_lists_are_compared_as_a_whole() -> None:
    assert not covers({"scopes": ["A", "B"]}, {"scopes": ["A"]})
    assert not covers({"except": ["b", "a"]}, {"except": ["a", "b"]})


def test_a_list_in_place_of_a_text_matters() -> None:
    assert not covers({"a": "text"}, {"a": ["text"]})
    assert not covers({"a": []}, {"a": {"b": 1}})


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "1Q", "--1", "Mi"])
def test_what_is_no_quantity_has_no_amount(text: str) -> None:
    assert quantity(text) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(["a", "limits", "env", "ports", "hard"]), json_values))
def test_everything_covers_itself(manifest: dict[str, Any]) -> None:
    assert covers(manifest, manifest)
