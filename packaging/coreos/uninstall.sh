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
  while read -r file; do
    rm -f "/$file"
  done <"$home/files"
  # The inner ones first; who else uses one keeps it.
  sort -r "$home/folders" | while read -r folder; do
    rmdir "$folder" 2>/dev/null || true
  done
  rm -rf "$home"
}

purge() {
  rm -rf /etc/msi2imds /var/lib/msi2imds /var/log/msi2imds /run/msi2imds
  rm -rf /etc/systemd/system/msi2imds.socket.d /etc/systemd/system/msi2imds*.service.d
  # Made for the discovery file where no Azure agent was.
  rmdir /var/lib/waagent 2>/dev/null || true
  if getent passwd msi2imds >/dev/null; then
    userdel msi2imds || true
  fi
  # Left where somebody else was put into it.
  if getent group msi2imds >/dev/null; then
    groupdel msi2imds || true
  fi
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
remove_files
[ -z "${1:-}" ] || purge
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
