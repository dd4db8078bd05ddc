"""The volumes: what a home is, in the end. They are rendered, grown, and never deleted by Insula itself."""

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.models import ModelForm
from insula.domain.platform import Platform
from insula.domain.tenants import Tenant
from insula.render import objects


def volumes(tenant: Tenant, platform: Platform) -> tuple[Manifest, ...]:
    """Return the claims of /config and, where models are the home's own, of /models."""
    storage_class = tenant.storage_class or platform.storage_class
    sizes_gib = {
        names.HOME_ASSISTANT_CONFIG: (names.HOME_ASSISTANT, tenant.home_assistant.storage_gib),
    }
    if tenant.ollama.model_form is ModelForm.VOLUME:
        sizes_gib[names.OLLAMA_MODELS] = (names.OLLAMA, tenant.ollama.storage_gib)
    return tuple(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": objects.metadata(tenant.name, name, component=component),
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": f"{size_gib}Gi"}},
                # Left out, the cluster's default class is taken.
                **({"storageClassName": storage_class} if storage_class else {}),
            },
        }
        for name, (component, size_gib) in sizes_gib.items()
    )
