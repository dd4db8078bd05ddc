"""What homes have used, and who has handed it in."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "usage",
        sa.Column("tenant_id", sa.String(36), primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("model", sa.String(256), primary_key=True),
        sa.Column("priority", sa.String(16), primary_key=True),
        sa.Column("tenant", sa.String(63), nullable=False),
        sa.Column("gpu_ns", sa.BigInteger, nullable=False),
        sa.Column("prompt_tokens", sa.BigInteger, nullable=False),
        sa.Column("answer_tokens", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.BigInteger, nullable=False),
    )
    op.create_index("usage_day", "usage", ["day"])
    op.create_table(
        "writers",
        sa.Column("writer", sa.String(64), primary_key=True),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
    )
