"""The conditions of a Tenant: they walk a reader from nothing to a home that answers."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ConditionType(StrEnum):
    """In the order in which they become true."""

    ACCEPTED = "Accepted"
    NAMESPACE_READY = "NamespaceReady"
    HOME_ASSISTANT_READY = "HomeAssistantReady"
    CLAIMED = "Claimed"
    ROUTE_READY = "RouteReady"
    OLLAMA_READY = "OllamaReady"
    MODELS_READY = "ModelsReady"
    CONVERSATION_READY = "ConversationReady"
    UP_TO_DATE = "UpToDate"
    READY = "Ready"
    ISOLATED = "Isolated"
    WITHIN_QUOTA = "WithinQuota"


class ConditionStatus(StrEnum):
    """Kubernetes' three answers."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True)
class Condition:
    """One statement about a tenant.

    `reason` is stable CamelCase for machines; `message` a sentence that a person can act on.
    """

    type: ConditionType
    status: ConditionStatus
    reason: str
    message: str
    since: datetime
    observed_generation: int
