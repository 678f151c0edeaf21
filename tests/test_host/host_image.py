"""The host image: a bare Debian 13 with systemd, sshd and rootless Podman, as a root file system in an archive.

The archive is kept outside the checkout under a name that is the hash of all that it is made of. Nothing in it belongs
to one host: names, keys and the pool come when a host is created.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

from outer_podman import podman

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "patriark-homelab"
_CONTENT = pathlib.Path(__file__).with_name("content")
_SUITE = "trixie"
# udev is left out on purpose: udevd gives eth0 another MAC address, after which nothing reaches a restarted host.
_PACKAGES = (
    "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,polkitd,"
    "podman,crun,uidmap,passt,fuse-overlayfs,aardvark-dns,netavark,"
    "openssh-server,sudo,python3,ca-certificates,tzdata,"
    "acl,attr,btrfs-progs,e2fsprogs,mount,util-linux-extra,"
    "curl,iproute2,nftables,procps"
)
_SETUP = """
set -eu
cp --recursive --no-target-directory "$2" "$1"
chroot "$1" systemctl --quiet mask systemd-networkd-wait-online.service systemd-modules-load.service
# Without udev it would wait 90 seconds for every device that fstab names; test-host-pool.service mounts instead.
mkdir -p "$1/etc/systemd/system-generators"
ln -s /dev/null "$1/etc/systemd/system-generators/systemd-fstab-generator"
chroot "$1" systemctl --quiet disable systemd-networkd.service
# Older Podman shows a privileged container the machine's own terminals, on which somebody may be logged in.
chroot "$1" systemctl --quiet mask getty.target getty@.service autovt@.service console-getty.service serial-getty@.service
chroot "$1" systemctl --quiet add-wants multi-user.target network-online.target
chroot "$1" systemctl --quiet enable test-host-pool.service stand-in-registry.service ssh.service
"""
_LEAVE_OUT = ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*"]


def ensure() -> str:
    """Build and load the image as far as that is missing; return its name in Podman's store."""
    key = _key()
    image = f"localhost/homelab-test-host:{key}"
    if image in podman("images", "--format", "{{.Repository}}:{{.Tag}}").split():
        return image
    archive = CACHE / "host-images" / f"{key}.tar"
    if not archive.exists():
        _build(archive)
    print("Loading the host image", file=sys.stderr, flush=True)
    podman("import", "--change=CMD=/sbin/init", str(archive), image)
    return image


def _key() -> str:
    made_of = hashlib.sha256(repr((_SUITE, _PACKAGES, _LEAVE_OUT, _SETUP)).encode())
    for path in sorted(path for path in _CONTENT.rglob("*") if path.is_file()):
        made_of.update(f"{path.relative_to(_CONTENT)} {path.stat().st_mode:o}\n".encode() + path.read_bytes())
    return made_of.hexdigest()[:16]


def _build(archive: pathlib.Path) -> None:
    print("Building the host image from Debian's packages (about half a minute)", file=sys.stderr, flush=True)
    archive.parent.mkdir(parents=True, exist_ok=True)
    for older in archive.parent.glob("*.tar"):
        older.unlink()
    with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
        setup, new = pathlib.Path(scratch, "setup"), pathlib.Path(scratch, "new.tar")
        setup.write_text(_SETUP)
        subprocess.run(
            [
                "mmdebstrap",
                "--quiet",
                "--variant=minbase",
                f"--include={_PACKAGES}",
                *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAVE_OUT),
                f'--customize-hook=sh {setup} "$1" {_CONTENT}',
                _SUITE,
                str(new),
            ],
            check=True,
            stdout=sys.stderr,
        )
        new.rename(archive)
