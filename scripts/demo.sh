#!/usr/bin/env bash
# From a cluster, or from nothing, to what a person's own Home Assistant answers through their own Ollama.
#
#   CLUSTER=sandbox (default)  a real Kubernetes on this machine; root is needed
#   CLUSTER=current            kubectl's current context; VALUES names your values for Helm when Insula is not there yet
set -euo pipefail

readonly NAME=${NAME:-alice}
readonly MODEL=${MODEL:-gemma3:270m}
readonly QUESTION=${QUESTION:-What is the capital of France?}
stages=()

stage() { # NAME COMMAND...: run a stage and remember its seconds
  local name=$1 start=$SECONDS
  shift
  echo "==> $name"
  "$@"
  stages+=("$(printf '%-28s %5d s' "$name" $((SECONDS - start)))")
}

prepare_cluster() {
  if [ "${CLUSTER:-sandbox}" = current ]; then
    insula doctor && return 0
    command -v helm >/dev/null || { echo "demo: Insula is not installed and there is no helm → install Helm" >&2; return 1; }
    helm upgrade --install insula charts/insula --namespace insula-system --create-namespace --wait \
      ${VALUES:+--values "$VALUES"}
    insula doctor
  else
    insula sandbox up
  fi
}

make_tenant() {
  if insula tenant show "$NAME" >/dev/null 2>&1; then
    insula tenant wait "$NAME"
  else
    insula tenant create "$NAME" --owner "$NAME@example.com" --model "$MODEL" --wait
  fi
}

# The sandbox's own kubeconfig: the demo must not touch another cluster that this person is logged in to.
[ "${CLUSTER:-sandbox}" = current ] || { KUBECONFIG=$(insula sandbox kubeconfig); export KUBECONFIG; }

stage "cluster" prepare_cluster
stage "tenant $NAME" make_tenant
echo "==> $QUESTION"
stage "answer" insula tenant ask "$NAME" "$QUESTION" --verbose
echo "==> $NAME's home"
insula tenant open "$NAME"
echo "==> seconds"
printf '%s\n' "${stages[@]}"
