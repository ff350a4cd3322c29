#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh: installs msi2imds from this folder, or upgrades what an earlier one installed, for systems without a
# package manager or with a read-only /usr. Nothing is enabled or started; what runs is restarted, and callers wait
# meanwhile. /opt/msi2imds/uninstall.sh is the way back.
set -eu
umask 022

here=$(cd "$(dirname "$0")" && pwd)
machine=@MACHINE@ # filled in by make-tarball
list=opt/msi2imds/files
new_folders=
forgets_reservation=

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

# Uninstalling removes those folders only that were made here.
make_folder() {
  if [ ! -d "$1" ]; then
    make_folder "$(dirname "$1")"
    mkdir "$1" 2>/dev/null || fail "cannot make $1"
    new_folders="$new_folders $1"
  fi
}

check_machine() {
  [ "$(id -u)" = 0 ] || fail "needs root"
  [ "$(uname -m)" = "$machine" ] || fail "this is for $machine, and the machine is $(uname -m)"
  for unit in /usr/lib/systemd/system/msi2imds.service /lib/systemd/system/msi2imds.service; do
    [ ! -e "$unit" ] || fail "msi2imds is here already as a package or an extension of /usr: remove that first"
  done
  for place in /opt /etc/systemd/system; do
    make_folder "$place"
    [ -w "$place" ] || fail "cannot write to $place"
  done
}

# The file of a running program cannot be written to, but replaced.
put() {
  make_folder "$(dirname "$2")"
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
  make_folder /etc/msi2imds/conf.d
  [ -e /etc/msi2imds/msi2imds.toml ] || put "$here/msi2imds.toml" /etc/msi2imds/msi2imds.toml
}

# Most systems have no /opt/bin in PATH, and man looks elsewhere. What is there already is somebody else's.
link() {
  if [ ! -e "$2" ] && [ ! -L "$2" ]; then
    make_folder "$(dirname "$2")"
    ln -s "$1" "$2"
  fi
}

link_into_usr_local() {
  [ -w /usr/local ] || return 0
  link /opt/bin/msi2imds /usr/local/bin/msi2imds
  for page in /opt/msi2imds/share/man/man*/*; do
    [ ! -e "$page" ] || link "$page" "/usr/local/${page#/opt/msi2imds/}"
  done
}

note_new_folders() {
  for folder in $new_folders; do
    echo "$folder" >>/opt/msi2imds/folders
  done
}

check_machine
# What version 0.1.0 put there.
if grep -qs '^etc/sysctl\.d/' "/$list"; then
  forgets_reservation=1
fi
make_folder /opt/msi2imds
for parent in /var/lib /var/log; do
  make_folder "$parent"
done
forget_old_files
put_files
put_configuration
link_into_usr_local
note_new_folders
if command -v restorecon >/dev/null; then
  restorecon -R /opt/bin/msi2imds /opt/msi2imds /etc/systemd/system /etc/msi2imds
fi
[ -z "$forgets_reservation" ] || /opt/msi2imds/setup forget-reservation
MSI2IMDS_PROGRAM=/opt/bin/msi2imds MSI2IMDS_UNITS=/etc/systemd/system /opt/msi2imds/setup upgrade
echo "installed: $(/opt/bin/msi2imds --version)"
command -v msi2imds >/dev/null || echo "PATH does not have it: call it /opt/bin/msi2imds"
