"""The verify keys as they stand in a mounted file, read again when the file changes."""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from insula.domain.errors import InvalidSpecError
from insula.domain.keys import InvalidKeyError
from insula.services.keys import VerifiedKey, VerifyKeys

# The kubelet refreshes a mounted ConfigMap within about a minute; looking more often than it changes costs nothing.
LOOK_EVERY_S: Final = 5.0

_log = structlog.get_logger(__name__)


class Keyring:
    """Verifies with the keys in a file. Until the file holds keys, no key is true.

    A file that turns unreadable or senseless leaves the keys in force as they were.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._text = ""
        self._keys: VerifyKeys | None = None

    @property
    def loaded(self) -> bool:
        """Whether there are keys to verify with."""
        return self._keys is not None

    def verify(self, text: str) -> VerifiedKey:
        """Return what a key says.

        Raises:
            InvalidKeyError: Malformed, unknown signer, a false signature, or no verify keys yet.
        """
        if self._keys is None:
            raise InvalidKeyError("the gateway has no verify keys yet")
        return self._keys.verify(text)

    def refresh(self) -> None:
        """Read the file; take its keys if they differ from those in force."""
        try:
            text = self._path.read_text(encoding="utf-8")
            if text == self._text:
                return
            self._keys = VerifyKeys.from_json(text)
        except OSError as error:
            self._complain(f"cannot read {self._path}: {error.strerror}")
        except InvalidSpecError as error:
            self._complain(str(error))
        else:
            self._text = text
            _log.info("verify_keys_loaded", path=str(self._path))

    async def keep_fresh(self) -> None:
        """Refresh until cancelled."""
        while True:
            await asyncio.to_thread(self.refresh)
            await asyncio.sleep(LOOK_EVERY_S)

    def _complain(self, why: str) -> None:
        _log.warning("verify_keys_not_read", why=why)
