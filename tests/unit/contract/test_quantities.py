import pytest
from hypothesis import given
from hypothesis import strategies as st

from insula.contract.quantities import parse_cpu, parse_memory
from insula.domain.errors import InvalidSpecError


@pytest.mark.parametrize(
    ("text", "millicores"), [("500m", 500), ("1", 1000), ("1.5", 1500), ("0.001", 1), ("0.5", 500), ("16", 16000)]
)
def test_cpu_is_read_in_cores_and_millicores(text: str, millicores: int) -> None:
    assert parse_cpu(text) == millicores


@pytest.mark.parametrize(
    ("text", "mib"),
    [("1Gi", 1024), ("512Mi", 512), ("1.5Gi", 1536), ("1048576", 1), ("1048577", 2), ("1G", 954), ("2Ti", 2 * 1024**2)],
)
def test_memory_is_read_in_all_units_and_rounded_up(text: str, mib: int) -> None:
    assert parse_memory(text) == mib


@pytest.mark.parametrize("text", ["", "two", "-1", "1e3", "0", "0m", "1 ", "1\n", "١", "1.5m", "1Gi"])
def test_what_is_no_amount_of_cpu_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        parse_cpu(text)
    assert caught.value.remedy


@pytest.mark.parametrize("text", ["", "1gi", "1GB", "0", "500m", "-1Gi", "1Gi\n"])
def test_what_is_no_amount_of_memory_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpecError) as caught:
        parse_memory(text)
    assert caught.value.remedy


@given(st.integers(1, 10**6))
def test_millicores_and_mib_read_back_as_they_are_written(amount: int) -> None:
    assert parse_cpu(f"{amount}m") == amount
    assert parse_memory(f"{amount}Mi") == amount
