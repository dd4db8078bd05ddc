#!/usr/bin/env bash
# Installs what a bare Debian machine lacks for `make demo` and `make test`. Does nothing where all is there.
#
# Packages come from Debian. uv comes from the Python index into an environment of its own, because Debian's Python
# does not let others install into it. Go is not installed here: the sandbox's builds bring it where it is missing.
set -euo pipefail

readonly TOOLS="${INSULA_CACHE:-/var/cache/insula}/tools"
readonly UV_VERSION=0.13.9

# command=package: the package is installed only when the command is missing.
readonly COMMANDS=(
  python3=python3 git=git make=make                    # to begin at all
  gcc=gcc g++=g++                                      # Ollama's C++ parts, the pause program
  ip=iproute2 nsenter=util-linux mount=mount           # nodes are namespaces
  runc=runc modprobe=kmod pgrep=procps                 # containers on them
  hostname=hostname nft=nftables                       # and what looks after them
  mmdebstrap=mmdebstrap buildah=buildah                # root file systems, images
  curl=curl chromium=chromium certutil=libnss3-tools   # the tests that use a browser
)
# file=package: for what brings no command.
readonly FILES=(
  /usr/include/stdio.h=libc6-dev
  /usr/include/nlohmann/json.hpp=nlohmann-json3-dev
  /usr/include/stb/stb_image.h=libstb-dev
  /usr/share/keyrings/debian-archive-keyring.gpg=debian-archive-keyring
  /etc/ssl/certs/ca-certificates.crt=ca-certificates
)

fail() {
  echo "install-tools: $1" >&2
  exit 1
}

missing_packages() {
  local entry
  for entry in "${COMMANDS[@]}"; do
    command -v "${entry%%=*}" >/dev/null || echo "${entry#*=}"
  done
  for entry in "${FILES[@]}"; do
    [ -e "${entry%%=*}" ] || echo "${entry#*=}"
  done
  python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

install_packages() {
  local packages
  mapfile -t packages < <(missing_packages | sort -u)
  [ "${#packages[@]}" -gt 0 ] || return 0
  [ "$(id -u)" -eq 0 ] || fail "missing packages: ${packages[*]} → install them, or run this as root"
  command -v apt-get >/dev/null || fail "missing packages: ${packages[*]} → install them; this is no Debian"
  echo "install-tools: installing ${packages[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
}

check_python() {
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "python3 is older than 3.11 → install a newer Python (Debian 12 has 3.11)"
}

install_uv() {
  command -v uv >/dev/null && return 0
  [ -x "$TOOLS/bin/uv" ] && return 0
  echo "install-tools: installing uv $UV_VERSION into $TOOLS"
  python3 -m venv "$TOOLS"
  "$TOOLS/bin/pip" install --quiet --disable-pip-version-check "uv==$UV_VERSION"
}

install_packages
check_python
install_uv
