#!/bin/sh
# Run inside the image, as its user: is all there that a home needs before it can load anything?
set -eu
test "$(id -u)" = 10001
python3 -c 'import sys; assert sys.prefix == sys.base_prefix, "in a virtual environment"'
python3 -m homeassistant --version
python3 -m uv --version
ffmpeg -version | head -n 1
# The speaker to Ollama, the AI task platform behind it, the database, speech: what fails late when it is missing.
python3 -c 'import av, hassil, numpy, ollama, pymicro_vad, pyotp, pyqrcode, sqlalchemy, turbojpeg, hass_frontend'
# Nothing was left out: the integrations of the release are all here.
python3 -c '
import pathlib, homeassistant.components as c
count = len([p for p in pathlib.Path(c.__path__[0]).iterdir() if (p / "manifest.json").is_file()])
print(count, "integrations")
assert count > 1300
'
