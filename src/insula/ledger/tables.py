"""The ledger's tables, as the newest migration leaves them."""

from typing import Final

from sqlalchemy import BigInteger, Column, Date, Index, Integer, MetaData, String, Table

METADATA: Final = MetaData()

# One row for each home, UTC day, model and class. Nanoseconds, so that sums are exact.
USAGE: Final = Table(
    "usage",
    METADATA,
    Column("tenant_id", String(36), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("model", String(256), primary_key=True),
    Column("priority", String(16), primary_key=True),
    Column("tenant", String(63), nullable=False),
    Column("gpu_ns", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("answer_tokens", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Index("usage_day", "day"),
)

# The last flush of each writer that was booked: one that comes again is known by it.
WRITERS: Final = Table(
    "writers",
    METADATA,
    Column("writer", String(64), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("day", Date, nullable=False),
)
