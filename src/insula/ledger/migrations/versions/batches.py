"""Many prompts that nobody waits for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "batches",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("tenant_id", sa.String(36), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("answered", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("answers_bytes", sa.BigInteger, nullable=False),
        sa.Column("runner", sa.String(64), nullable=False),
        sa.Column("not_before", sa.BigInteger, nullable=False),
    )
    op.create_index("batches_tenant", "batches", ["tenant_id"])
    op.create_table(
        "batch_lines",
        sa.Column("batch_id", sa.String(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("custom_id", sa.String(256), nullable=False),
        sa.Column("path", sa.String(64), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.Text),
    )
