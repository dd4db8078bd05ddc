"""The reasons that conditions bear besides those of acceptance: stable words, each with its meaning."""

from enum import StrEnum


class Reason(StrEnum):
    """Why a condition is as it is. Machines match these words: never change one."""

    # Good.
    MADE = "Made"
    """The namespace stands with its walls."""
    RUNNING = "Running"
    """The pod is ready."""
    ASLEEP = "Asleep"
    """Nobody has asked for as long as the plan says; the next prompt starts the pod."""
    WAKING = "Waking"
    """Somebody asks, and the pod is on its way."""
    CLAIMED = "Claimed"
    """The accounts are made; nobody else can take the home."""
    SERVING = "Serving"
    """The certificate is issued and the Ingress stands."""
    PRESENT = "Present"
    """All models are in the volume."""
    ANSWERING = "Answering"
    """Home Assistant talks to the first model."""
    CURRENT = "Current"
    """All parts are as the spec says."""
    READY = "Ready"
    """Everything is as asked."""
    WALLS_HOLD = "WallsHold"
    """Every forbidden path that was tried is shut."""

    NO_LIMIT = "NoLimit"
    """The plan sets no limit for a day's computing."""
    ENOUGH_LEFT = "EnoughLeft"
    """Less than 80 % of the day's GPU-seconds are used."""
    NEARLY_USED_UP = "NearlyUsedUp"
    """More than 80 % of the day's GPU-seconds are used."""

    # Under way: patience is enough.
    MAKING = "Making"
    """The object was not seen yet."""
    STARTING = "Starting"
    """The container runs and does not answer yet."""
    PREPARING = "Preparing"
    """The node mounts volumes and fetches images."""
    STOPPING = "Stopping"
    """The old pod is on its way out."""
    CLAIMING = "Claiming"
    """The init container makes the accounts."""
    WAITING_FOR_CLAIM = "WaitingForClaim"
    """There is no route before the home has an owner."""
    CERTIFICATE_PENDING = "CertificatePending"
    """The issuer has not answered yet."""
    PULLING = "Pulling"
    """Models are being fetched."""
    WAITING_FOR_VOLUME = "WaitingForVolume"
    """The volume is not bound yet: Ollama's pod decides where it is."""
    WAITING_FOR_HOME_ASSISTANT = "WaitingForHomeAssistant"
    """Home Assistant is not ready."""
    WAITING_FOR_OLLAMA = "WaitingForOllama"
    """Ollama is not ready."""
    WAITING_FOR_MODELS = "WaitingForModels"
    """The models are not all there."""
    SETTING_UP = "SettingUp"
    """The integration and the agent are being made."""
    UPGRADING = "Upgrading"
    """Home Assistant starts with another image."""
    GROWING = "Growing"
    """A volume is being made larger."""
    TERMINATING = "Terminating"
    """Kubernetes is removing the namespace; it is made anew afterwards."""
    NOT_TRIED = "NotTried"
    """The home's walls were not tried yet, or the probes gave no result."""
    NOT_ACCEPTED = "NotAccepted"
    """The spec is not accepted; see Accepted."""

    USED_UP = "UsedUp"
    """The day's GPU-seconds are used; the next ones come at midnight (UTC)."""

    # Wished for.
    SUSPENDED = "Suspended"
    """spec.suspended is true."""
    NO_MODEL = "NoModel"
    """spec.ollama.models is empty."""

    # Trouble: a person has to do something.
    NO_IMAGE = "NoImage"
    """The plan takes models from images, and there is none of this model."""
    QUOTA_EXCEEDED = "QuotaExceeded"
    """The namespace's quota refuses the pod."""
    POD_REFUSED = "PodRefused"
    """The API server refuses the pod for another reason."""
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod."""
    NODE_NOT_READY = "NodeNotReady"
    """The pod's node does not answer."""
    IMAGE_PULL_FAILED = "ImagePullFailed"
    """The node cannot fetch an image."""
    CONTAINER_CONFIG_ERROR = "ContainerConfigError"
    """A Secret or ConfigMap is missing or malformed."""
    CRASHING = "Crashing"
    """The container ends again and again."""
    OUT_OF_MEMORY = "OutOfMemory"
    """The container was killed at its memory limit."""
    STUCK = "StuckTerminating"
    """Kubernetes cannot remove the old namespace: something in it waits."""
    ROLLED_BACK = "RolledBack"
    """Home Assistant did not become ready with the image asked for; the one before runs again."""
    GPU_FAILED = "GPUFailed"
    """The device of Ollama's GPU is not healthy any more."""
    CLAIM_FAILED = "ClaimFailed"
    """The init container could not make the accounts."""
    CERTIFICATE_FAILED = "CertificateFailed"
    """The issuer refused the certificate."""
    HOST_TAKEN = "HostTaken"
    """Another tenant holds the host."""
    PULL_FAILED = "PullFailed"
    """The models could not be fetched."""
    SETUP_FAILED = "SetupFailed"
    """The integration or the agent could not be made."""
    WALL_OPEN = "WallOpen"
    """A probe went through a path that is forbidden."""
    NOTHING_PROVEN = "NothingProven"
    """A path that must be open is shut, so that the shut ones prove nothing."""


TROUBLE = frozenset(
    {
        Reason.QUOTA_EXCEEDED,
        Reason.POD_REFUSED,
        Reason.UNSCHEDULABLE,
        Reason.NODE_NOT_READY,
        Reason.IMAGE_PULL_FAILED,
        Reason.CONTAINER_CONFIG_ERROR,
        Reason.CRASHING,
        Reason.OUT_OF_MEMORY,
        Reason.STUCK,
        Reason.ROLLED_BACK,
        Reason.GPU_FAILED,
        Reason.CLAIM_FAILED,
        Reason.CERTIFICATE_FAILED,
        Reason.HOST_TAKEN,
        Reason.NO_IMAGE,
        Reason.PULL_FAILED,
        Reason.SETUP_FAILED,
        Reason.WALL_OPEN,
        Reason.NOTHING_PROVEN,
    }
)
