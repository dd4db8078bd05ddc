"""What the operator reports in a Tenant's status: read by people and programs, never an input of the operator."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from insula.contract.base import Model, marks
from insula.domain.conditions import ConditionStatus


class ConditionReport(Model):
    """One statement about the home, in Kubernetes' usual form."""

    type: Annotated[str, Field(max_length=316)]
    """What is stated, for example ModelsReady."""

    status: ConditionStatus
    """True, False or Unknown."""

    reason: Annotated[str, Field(max_length=1024)]
    """Why, as a stable CamelCase word for programs."""

    message: Annotated[str, Field(max_length=32768)]
    """Why, as a sentence that a person can act on."""

    last_transition_time: datetime
    """Since when the status is as it is."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation of the Tenant that this was said about."""


class ModelReport(Model):
    """A model that lies on the home's volume."""

    name: Annotated[str, Field(max_length=128)]
    """The model, name:tag."""

    digest: Annotated[str, Field(max_length=128)] = ""
    """The digest of its manifest."""


class ProgressReport(Model):
    """How far the model that is being pulled has come."""

    model: Annotated[str, Field(max_length=128)]
    """The model, name:tag."""

    completed: Annotated[int, Field(ge=0)] = 0
    """Bytes that are here."""

    total: Annotated[int, Field(ge=0)] = 0
    """Bytes in all; 0 while not known."""

    percent: Annotated[int, Field(ge=0, le=100)] = 0
    """The same in whole percent."""


Conditions = Annotated[
    tuple[ConditionReport, ...],
    Field(max_length=32, json_schema_extra=marks(list_type="map", list_map_keys=["type"])),
]


class PlanStatus(Model):
    """How far a change has gone through the homes of the plan."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation of the Plan that this status speaks of."""

    tenants: Annotated[int, Field(ge=0)] = 0
    """Homes of this plan, suspended ones included."""

    updated: Annotated[int, Field(ge=0)] = 0
    """Those that have all there is to have: the plan as it is, the platform's images, the present Insula."""

    unavailable: Annotated[int, Field(ge=0)] = 0
    """Those that do not answer now, or had to go back to their old image; suspended ones are left out."""

    conditions: Conditions = ()
    """RolledOut: whether no home waits for its turn."""


class TenantStatus(Model):
    """What the operator last saw of the home."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """The generation of the Tenant that this status speaks of."""

    conditions: Conditions = ()
    """The home's way from accepted to ready, a statement a step."""

    tenant_id: Annotated[str, Field(max_length=36)] = ""
    """The home's identity, a UUID; a Tenant of the same name that is created later has another."""

    url: Annotated[str, Field(max_length=512)] = ""
    """Where the home is reached."""

    models: Annotated[
        tuple[ModelReport, ...],
        Field(max_length=64, json_schema_extra=marks(list_type="map", list_map_keys=["name"])),
    ] = ()
    """The models that lie on the home's volume."""

    agent: Annotated[str, Field(max_length=255)] = ""
    """Home Assistant's conversation agent that answers by default, an entity's id."""

    progress: ProgressReport | None = None
    """The model that is being pulled now. Absent: none."""
