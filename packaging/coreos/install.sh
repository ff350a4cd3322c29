#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh: installs msi2imds from this folder, or upgrades what an earlier one installed, for systems without a
# package manager or with a read-only /usr. Nothing is enabled or started; what runs is restarted, and callers wait
# meanwhile. /opt/msi2imds/uninstall.sh is the way back.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
list=opt/msi2imds/files

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

check_machine() {
  [ "$(id -u)" = 0 ] || fail "needs root"
  [ "$(uname -m)" = x86_64 ] || fail "this is for x86_64, and the machine is $(uname -m)"
  for unit in /usr/lib/systemd/system/msi2imds.service /lib/systemd/system/msi2imds.service; do
    [ ! -e "$unit" ] || fail "msi2imds is here already as a package or an extension of /usr: remove that first"
  done
  for place in /opt /etc/systemd/system; do
    mkdir -p "$place" 2>/dev/null || fail "cannot make $place"
    [ -w "$place" ] || fail "cannot write to $place"
  done
}

# The file of a running program cannot be written to, but replaced.
put() {
  mkdir -p "$(dirname "$2")"
  cp "$1" "$2.new"
  mv -f "$2.new" "$2"
}

forget_old_files() {
  [ -e "/$list" ] || return 0
  while read -r file; do
    grep -qxF "$file" "$here/root/$list" || rm -f "/$file"
  done <"/$list"
}

put_files() {
  while read -r file; do
    put "$here/root/$file" "/$file"
  done <"$here/root/$list"
}

put_configuration() {
  mkdir -p /etc/msi2imds/conf.d
  [ -e /etc/msi2imds/msi2imds.toml ] || put "$here/msi2imds.toml" /etc/msi2imds/msi2imds.toml
}

check_machine
forget_old_files
put_files
put_configuration
if command -v restorecon >/dev/null; then
  restorecon -R /opt/bin/msi2imds /opt/msi2imds /etc/systemd/system /etc/msi2imds
fi
MSI2IMDS_PROGRAM=/opt/bin/msi2imds MSI2IMDS_UNITS=/etc/systemd/system /opt/msi2imds/setup upgrade
echo "installed: $(/opt/bin/msi2imds --version)"
