"""What users write, as pydantic models: the CRDs, the values schema and the reference pages come from here."""
