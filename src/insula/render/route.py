"""The way in from outside: a certificate early, and an Ingress once the home has an owner."""

from typing import Final

from insula.domain import names
from insula.domain.manifests import Manifest
from insula.domain.platform import IngressFlavour, Platform
from insula.domain.tenants import Tenant
from insula.render import objects

BODY_LIMIT: Final = "500m"  # a backup that the resident uploads
# The web socket of a page that nobody touches stays silent for long.
READ_TIMEOUT_S: Final = 3600

_NGINX: Final = "nginx.ingress.kubernetes.io"
_TRAEFIK: Final = "traefik.ingress.kubernetes.io"
ANNOTATIONS: Final = {
    # Web sockets need no word here: both controllers pass on an Upgrade by themselves.
    IngressFlavour.NGINX: {
        f"{_NGINX}/proxy-body-size": BODY_LIMIT,
        f"{_NGINX}/proxy-read-timeout": str(READ_TIMEOUT_S),
        f"{_NGINX}/proxy-send-timeout": str(READ_TIMEOUT_S),
        f"{_NGINX}/ssl-redirect": "true",
    },
    # Traefik sets no limit to bodies, and keeps its timeouts at the entry point.
    IngressFlavour.TRAEFIK: {f"{_TRAEFIK}/router.entrypoints": "websecure", f"{_TRAEFIK}/router.tls": "true"},
    IngressFlavour.NONE: {},
}


def certificate(tenant: Tenant, platform: Platform) -> Manifest:
    """Return the certificate of the home's host."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": objects.metadata(tenant.name, names.HOME_ASSISTANT, component=names.HOME_ASSISTANT),
        "spec": {
            "secretName": names.HOME_ASSISTANT_TLS,
            "dnsNames": [tenant.host],
            "issuerRef": {"group": "cert-manager.io", "kind": platform.issuer_kind, "name": platform.issuer_name},
            "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        },
    }


def ingress(tenant: Tenant, platform: Platform) -> Manifest:
    """Return the Ingress. Without an issuer, TLS is the controller's own: a wildcard, for example."""
    secret = {"secretName": names.HOME_ASSISTANT_TLS} if platform.issuer_name else {}
    backend = {"service": {"name": names.HOME_ASSISTANT, "port": {"name": "http"}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": objects.metadata(
            tenant.name,
            names.HOME_ASSISTANT,
            component=names.HOME_ASSISTANT,
            annotations=ANNOTATIONS[platform.ingress_flavour],
        ),
        "spec": {
            "ingressClassName": platform.ingress_class,
            "tls": [{"hosts": [tenant.host], **secret}],
            "rules": [
                {"host": tenant.host, "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
            ],
        },
    }
