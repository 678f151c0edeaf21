"""Random trees of units and drop-ins: mostly what people write, with every trap of the format among it."""

from __future__ import annotations

import random

IMAGES = (
    "registry.example.org/app:1.2.3",
    "registry.example.org/app:1.4.0",
    "docker.io/library/busybox",
    "busybox:1",
    "registry.example.org/app@sha256:" + "a" * 64,
)
STEMS = ("a", "a-b", "a-b-c", "t@", "t@x", "z")
KINDS = ("container",) * 6 + ("image", "build", "volume", "network", "pod", "kube")
DIRECTORIES = ("one", "two", "one/sub", "two/sub", "one/skipped.d", "one/.hidden")

LINES = {
    "Container": (
        "Image={image}",
        "Image={image}",
        "Image={image}",
        "Image={image}",
        "Image=a.image",
        "Image=a-b.build",
        "Image=missing.image",
        'Image="{image}"',
        'Image="{image}',
        "Image=",
        "Image={image} # no comment",
        "image={image}",
        "Rootfs=/srv/root",
        "AutoUpdate=registry",
        "Network=a.network",
        "Network=z.network:alias=x",
        "Network=a-b.container",
        "Network=host",
        "Volume=a.volume:/data",
        "Volume=/srv:/data:ro",
        "Volume=named:/data",
        "Volume=missing.volume:/data",
        "Pod=a.pod",
        "Pod=named",
        "Group=10",
        "User=10",
        "UserNS=keep-id",
        "RemapUsers=keep-id",
        "RemapUid=1",
        "ExposeHostPort=80-90/tcp",
        "ExposeHostPort=web",
        "Mount=type=bind,source=/a,destination=/b",
        "Mount=type=image,source=a.image,destination=/m",
        "Mount=type=volume,source=missing.volume,destination=/m",
        "Mount=source=/a,destination=/b",
        "ServiceName=other",
        "ContainerName=one",
        "ContainerName=%p",
        "Label=a=b",
        "Environment=A=b",
        "Memory=1g",
        "Mount=destination=/b,type=tmpfs",
        "X-Own=1",
        "Pull=newer",
        "ReloadCmd=a",
        "ReloadSignal=HUP",
        "HttpProxy=true",
        "AppArmor=x",
    ),
    "Image": (
        "Image={image}",
        "Image={image}",
        "Image={image}",
        "ImageTag=localhost/app:1",
        "Image=",
        "AllTags=true",
        "ServiceName=pull",
        "Policy=always",
        "Unknown=1",
    ),
    "Build": (
        "ImageTag=localhost/app:1",
        "ImageTag=localhost/app:2",
        "ImageTag=",
        "SetWorkingDirectory=unit",
        "SetWorkingDirectory=/srv",
        "File=/srv/Containerfile",
        "File=Containerfile",
        "Network=a.network",
        "Volume=a.volume:/x",
        "BuildArg=a=b",
    ),
    "Volume": (
        "Driver=image",
        "Image={image}",
        "Image=a.image",
        "Driver=local",
        "Device=/srv",
        "Type=bind",
        "Options=rw",
        "VolumeName=x",
        "Copy=true",
    ),
    "Network": (
        "Subnet=10.0.0.0/24",
        "Gateway=10.0.0.1",
        "NetworkName=x",
        "Internal=true",
        "InterfaceName=x",
        "Unknown=1",
    ),
    "Pod": (
        "PodName=x",
        "Network=a.network",
        "Volume=missing.volume:/x",
        "ExitPolicy=stop",
        "ShmSize=1m",
        "RemapUsers=manual",
    ),
    "Kube": (
        "Yaml=/srv/app.yml",
        "Yaml=app.yml",
        "Yaml=",
        "Network=a.network",
        "SetWorkingDirectory=yaml",
        "SetWorkingDirectory=/srv",
        "RemapUsers=manual",
    ),
    "Service": ("KillMode=mixed", "KillMode=process", "Type=oneshot", "Type=simple", "User=x", "Restart=always"),
    "Unit": ("After=a.network", "After=missing.container", "Requires=network.target", "Description=x"),
    "Quadlet": ("DefaultDependencies=false", "Unknown=1"),
    "X-Own": ("Anything=1",),
}
NEEDED = {
    "Container": "Image={image}",
    "Image": "Image={image}",
    "Build": "ImageTag=localhost/app:1",
    "Kube": "Yaml=/srv/app.yml",
}
BREAKING = ("oops", "[Container] # x", "=x", "\ufeff[Container]")


def tree(seed: int) -> dict[str, str]:
    """Paths and texts below two search directories, one and two. A text that begins with "-> " is a link."""
    dice = random.Random(seed)
    files: dict[str, str] = {}
    for _number in range(dice.randint(1, 7)):
        name = f"{dice.choice(STEMS)}.{dice.choice(KINDS)}"
        section = name.rpartition(".")[2].capitalize()
        files[f"{_directory(dice)}/{name}"] = _text(dice, section, needed=dice.random() < 0.9)
    for _number in range(dice.choice((0, 0, 1, 1, 2, 4))):
        unit = dice.choice([name for name in files if not name.endswith(".conf")]).rpartition("/")[2]
        files[f"{_directory(dice)}/{_drop_in_directory(dice, unit)}/{dice.choice(('10', '9', '90', '.h'))}.conf"] = (
            _text(dice, unit.rpartition(".")[2].capitalize(), needed=False)
        )
    if dice.random() < 0.15:
        files[f"{_directory(dice)}/t@x.container"] = "-> t@.container"
    if dice.random() < 0.08:
        files[f"{_directory(dice)}/a.container"] = dice.choice(("-> missing", "-> /dev/null", "-> ../two/z.container"))
    return files


def _directory(dice: random.Random) -> str:
    return dice.choice(("one", "one", "one", *DIRECTORIES))


def _drop_in_directory(dice: random.Random, unit: str) -> str:
    stem, _dot, kind = unit.rpartition(".")
    names = [
        f"{unit}.d",
        f"{unit}.d",
        f"{kind}.d",
        f"{stem.partition('-')[0]}-.{kind}.d",
        f"{stem.partition('@')[0]}@.{kind}.d",
    ]
    return dice.choice(names)


def _text(dice: random.Random, section: str, needed: bool) -> str:
    newline = "\r\n" if dice.random() < 0.1 else "\n"
    lines = [f"[{section}]"]
    if needed and section in NEEDED:
        lines.append(_filled(dice, NEEDED[section]))
    for _number in range(dice.choice((0, 0, 1, 1, 2, 3, 5))):
        lines.append(_dressed(dice, _filled(dice, dice.choice(LINES[section])), newline) if section in LINES else "")
        if dice.random() < 0.12:
            other = dice.choice(("Service", "Unit", "Quadlet", "X-Own"))
            lines += [f"[{other}]", dice.choice(LINES[other]), f"[{section}]"]
    if dice.random() < 0.03:
        lines.insert(dice.randrange(len(lines) + 1), dice.choice(BREAKING))
    return newline.join(lines) + (newline if dice.random() < 0.85 else "")


def _filled(dice: random.Random, line: str) -> str:
    return line.replace("{image}", dice.choice(IMAGES))


def _dressed(dice: random.Random, line: str, newline: str) -> str:
    key, _equals, value = line.partition("=")
    middle = dice.randrange(1, len(value)) if len(value) > 1 else 0
    return dice.choice(
        (
            *(line,) * 12,
            f"  {key} = {value} ",
            f"# {line}",
            f"{line}{newline}{newline}; note \\",
            f"{key}={value[:middle]}\\{newline}{value[middle:]}",
            f"{key}={value[:middle]}\\{newline}# note{newline}{newline}  {value[middle:]}",
            f"{key}=\\{newline}{value}",
            f"{line}\\",
            f"{line} \\{newline}# lost?",
        )
    )
