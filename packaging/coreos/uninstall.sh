#!/bin/sh
# SPDX-License-Identifier: MIT
# uninstall.sh [--purge]: stops msi2imds, takes it out of the kernel, and removes what install.sh installed.
#   --purge   also the configuration, the state, the logs and the user
set -eu

home=/opt/msi2imds

fail() {
  echo "uninstall.sh: $*" >&2
  exit 1
}

remove_files() {
  for link in /usr/local/bin/msi2imds /usr/local/share/man/man*/msi2imds*; do
    case $(readlink "$link") in
      /opt/bin/msi2imds | "$home"/*) rm -f "$link" ;;
    esac
  done
  while read -r file; do
    rm -f "/$file"
  done <"$home/files"
  rm -rf "$home"
}

# The inner ones first; who else uses one keeps it.
remove_folders() {
  for folder in $1; do
    rmdir "$folder" 2>/dev/null || true
  done
}

# As packaging/deb/postrm, which runs when no script of ours is left to call; and the drop-ins, which lie in /etc here.
purge() {
  rm -rf /etc/msi2imds /var/lib/msi2imds /var/log/msi2imds /run/msi2imds
  rm -rf /etc/systemd/system/msi2imds.socket.d /etc/systemd/system/msi2imds*.service.d
  # Made for the discovery file where no Azure agent was.
  rmdir /var/lib/waagent 2>/dev/null || true
}

case ${1:-} in
  "" | --purge) ;;
  *)
    echo "usage: uninstall.sh [--purge]" >&2
    exit 2
    ;;
esac
[ "$(id -u)" = 0 ] || fail "needs root"
[ -e "$home/files" ] || fail "there is nothing of install.sh here"

MSI2IMDS_PROGRAM=/opt/bin/msi2imds MSI2IMDS_UNITS=/etc/systemd/system "$home/setup" remove
folders=$(sort -r "$home/folders" 2>/dev/null || true)
if [ -n "${1:-}" ]; then
  "$home/setup" remove-user
  purge
fi
remove_files
remove_folders "$folders"
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
