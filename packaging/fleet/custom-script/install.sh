#!/bin/sh
# SPDX-License-Identifier: MIT
# install.sh [--observe | --cut-over]: installs msi2imds from its signed repository, on anything with apt, dnf, tdnf or
# yum. For the custom script extension, cloud-init and by hand; may be run again. Without an option nothing is started.
#   --observe    starts to record who calls the extension; redirects nothing
#   --cut-over   starts to serve: new connections come to msi2imds
# ../../cloud-init/fill-in writes the repository and its key into the two lines below; the environment goes before them.
set -eu

repository=${MSI2IMDS_REPOSITORY:-https://packages.example.com/msi2imds} # without the /apt or /yum
key=${MSI2IMDS_KEY:-@KEY_ASC@}                                           # the armored public key, in base64

# So long another package manager is waited for, such as the one of the first boot.
lock_seconds=${MSI2IMDS_LOCK_SECONDS:-900}
pause=5

export LC_ALL=C DEBIAN_FRONTEND=noninteractive
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

fail() {
  echo "install.sh: $1" >&2
  exit "${2:-1}"
}

put() {
  mkdir -p "$(dirname "$1")"
  cat >"$1"
  chmod 0644 "$1"
}

read_key() {
  printf '%s' "$key" | base64 -d >"$work/key.asc" 2>/dev/null || true
  grep -q 'BEGIN PGP PUBLIC KEY BLOCK' "$work/key.asc" || fail "there is no key: fill it in first, see packaging/cloud-init"
}

# For apt before 1.4, which reads no armored key: what stands between the empty line and the checksum.
binary_key() {
  sed -n '/^$/,/^[=-]/{/^[=-]/!p;}' "$work/key.asc" | base64 -d
}

# Again and again while another program holds the package manager's lock.
patiently() {
  waited=0
  while ! "$@" >"$work/log" 2>&1; do
    cat "$work/log"
    grep -qiE 'could not get lock|unable to lock|is locked by another|holding the .* lock|transaction lock|already locked by' "$work/log" ||
      fail "failed: $*"
    [ "$waited" -lt "$lock_seconds" ] || fail "another package manager has held its lock for $waited s"
    sleep "$pause"
    waited=$((waited + pause))
  done
  cat "$work/log"
}

apt_knows_signed_by() {
  version=$(apt-get --version | sed -n '1s/^apt \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
  [ "${version% *}" -gt 1 ] || [ "${version#* }" -ge 1 ]
}

# Only our own repository is asked: those of an old distribution may be gone.
install_with_apt() {
  options=arch=$(dpkg --print-architecture)
  if apt_knows_signed_by; then
    keyring=/etc/apt/keyrings/msi2imds.gpg
    options="$options signed-by=$keyring"
  else
    keyring=/etc/apt/trusted.gpg.d/msi2imds.gpg
  fi
  binary_key | put "$keyring"
  echo "deb [$options] $repository/apt stable main" | put /etc/apt/sources.list.d/msi2imds.list
  patiently apt-get -q -o Dir::Etc::SourceList=/etc/apt/sources.list.d/msi2imds.list -o Dir::Etc::SourceParts=- \
    -o APT::Get::List-Cleanup=0 -o APT::Update::Error-Mode=any update
  patiently apt-get -q -y -o Dpkg::Options::=--force-confold install --no-install-recommends msi2imds
}

install_with_yum() {
  put /etc/pki/rpm-gpg/RPM-GPG-KEY-msi2imds <"$work/key.asc"
  put /etc/yum.repos.d/msi2imds.repo <<REPOSITORY
[msi2imds]
name=msi2imds
baseurl=$repository/yum
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-msi2imds
REPOSITORY
  case $1 in
    # They would wait for a lock without an end.
    dnf | yum) patiently "$1" -y --setopt=exit_on_lock=1 --disablerepo='*' --enablerepo=msi2imds install msi2imds ;;
    tdnf) patiently tdnf -y --disablerepo='*' --enablerepo=msi2imds install msi2imds ;;
  esac
}

install_package() {
  if [ -e /run/ostree-booted ]; then
    fail "/usr is read-only here: use the sysext image or the tarball (docs/INSTALL.md)"
  fi
  for manager in apt-get tdnf dnf yum; do
    if command -v "$manager" >/dev/null; then
      case $manager in
        apt-get) install_with_apt ;;
        *) install_with_yum "$manager" ;;
      esac
      return
    fi
  done
  fail "neither apt, dnf, tdnf nor yum is here: use the sysext image or the tarball (docs/INSTALL.md)"
}

# What serves, or is to serve from the next boot on, is left as it is: it records callers by itself.
observe() {
  if systemctl is-active --quiet msi2imds.service || systemctl is-enabled --quiet msi2imds.service; then
    echo "msi2imds serves already, or is enabled"
    return
  fi
  systemctl enable msi2imds-observe || fail "msi2imds-observe cannot be enabled"
  systemctl start msi2imds-observe || fail "msi2imds-observe does not start: journalctl -u msi2imds-observe"
}

cut_over() {
  systemctl disable msi2imds-observe || fail "msi2imds-observe cannot be disabled"
  systemctl enable msi2imds || fail "msi2imds cannot be enabled"
  systemctl start msi2imds || fail "msi2imds does not start: journalctl -u msi2imds"
}

case ${1:-} in
  '' | --observe | --cut-over) ;;
  *) fail "usage: install.sh [--observe | --cut-over]" 2 ;;
esac
[ "$#" -le 1 ] || fail "usage: install.sh [--observe | --cut-over]" 2
[ "$(id -u)" -eq 0 ] || fail "must be run as root"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
read_key
install_package
case ${1:-} in
  --observe) observe ;;
  --cut-over) cut_over ;;
  '') exit 0 ;;
esac
msi2imds status --wait 30
