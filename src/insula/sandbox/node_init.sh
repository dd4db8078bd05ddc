#!/bin/bash
# The first process of a node.
#   node_init.sh build HOST_NAME NODE_DIRECTORY   makes the node's root from NODE_DIRECTORY/etc/plan and moves into it
#   node_init.sh run   HOST_NAME NODE_DIRECTORY   boots: containerd, and the kubelet once kubeadm has set it up
# The two names stay in the command line: by them the node is found again on the machine.
set -euo pipefail
stage=$1 host_name=$2 node=$3

# Make one thing of the plan: a line is KIND, TARGET, SOURCE, separated by tabs.
place() {
  local kind=$1 target=$root$2 source=$3
  mkdir -p "$(dirname "$target")"
  case $kind in
    directory) mkdir -p "$target" ;;
    link) ln -sfn "$source" "$target" ;;
    copy) cp -L "$source" "$target" ;;
    program) cp -L "$source" "$target" && chmod 755 "$target" ;; # a Python package may lose the mode
    bind | read-only | tree)
      if [ -d "$source" ]; then mkdir -p "$target"; elif [ ! -e "$target" ]; then : >"$target"; fi
      if [ "$kind" = tree ]; then mount --rbind "$source" "$target"; else mount --bind "$source" "$target"; fi
      if [ "$kind" = read-only ]; then mount -o remount,bind,ro "$target"; fi
      ;;
    proc | sysfs | bpf | cgroup2) mkdir -p "$target" && mount -t "$kind" "$kind" "$target" ;;
    overlay) mkdir -p "$target" && mount -t overlay -o "ro,lowerdir=$source" overlay "$target" ;; # all layers below
    tmpfs) mkdir -p "$target" && mount -t tmpfs -o "mode=$source" tmpfs "$target" ;;
    *) echo "unknown kind in the plan: $kind" >&2 && exit 1 ;;
  esac
}

build() {
  hostname "$(cat "$node/etc/hostname")"
  mount --make-rprivate / # nothing done here shows on the machine
  root=$node/root
  mkdir -p "$root"
  mount -t tmpfs -o mode=755,size=1g node "$root"
  while IFS=$'\t' read -r kind target source; do place "$kind" "$target" "$source"; done <"$node/etc/plan"
  mkdir "$root/.machine"
  cd "$root"
  pivot_root . .machine
  cd /
  umount -l /.machine
  rmdir /.machine
  mount --make-rshared / # as on a machine with systemd: pods with Bidirectional mounts need it
  exec /bin/bash /opt/insula/node_init.sh run "$host_name" "$node"
}

# Keep a program running: keep NAME PROGRAM ARGUMENT...
keep() {
  local name=$1
  shift
  while :; do
    "$@" >>"/var/log/insula/$name.log" 2>&1 || true
    sleep 1
  done
}

# End everything in the node, at most as long as the machine waits before it pulls the plug.
halt() {
  trap '' TERM
  kill -TERM -1 2>/dev/null || true
  while :; do
    local others=(/proc/[0-9]*)
    [ "${#others[@]}" -le 1 ] && exit 0
    read -r -t 0.1 <>/run/insula/never || true # a pause without a process of its own
  done
}

run() {
  set +e
  export PATH=/opt/insula/sbin:/opt/insula/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
  mkdir -p /run/insula
  mkfifo /run/insula/never
  trap halt TERM
  until [ -e /run/insula/wired ]; do sleep 0.05; done # the machine gives us a network and a control group first
  echo 1 >/proc/sys/net/ipv4/ip_forward
  for filter in all default eth0; do echo 0 >"/proc/sys/net/ipv4/conf/$filter/rp_filter"; done
  keep containerd containerd --config /etc/containerd/config.toml &
  [ -e /var/lib/kubelet/config.yaml ] && systemctl start kubelet # a node that kubeadm has set up
  : >/run/insula/booted
  while :; do # bash reaps orphans while it waits
    sleep 3600 &
    wait $!
  done
}

"$stage"
