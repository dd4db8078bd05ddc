"""The ledger's tables, as the newest migration leaves them."""

from typing import Final

from sqlalchemy import BigInteger, Column, Date, Index, Integer, MetaData, String, Table, Text

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

# Many prompts that nobody waits for. Times are seconds since 1970; `bytes` counts prompts and answers.
BATCHES: Final = Table(
    "batches",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("tenant_id", String(36), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("lines", Integer, nullable=False),
    Column("answered", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("answers_bytes", BigInteger, nullable=False),
    Column("runner", String(64), nullable=False),  # "" while nobody has it
    Column("not_before", BigInteger, nullable=False),  # the end of the runner's lease, or of a pause
    Index("batches_tenant", "tenant_id"),
)

BATCH_LINES: Final = Table(
    "batch_lines",
    METADATA,
    Column("batch_id", String(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("custom_id", String(256), nullable=False),
    Column("path", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("status", Integer),  # NULL: it has no answer yet
    Column("answer", Text),
)
