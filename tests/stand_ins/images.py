"""What the stand-in images are: references, what they run, and what is in them beside the base, as data."""

from __future__ import annotations

import dataclasses
import pathlib

HERE = pathlib.Path(__file__).resolve().parent

IMMICH_VERSIONS = ("v1.117.0", "v1.118.0", "v1.132.3", "v2.2.3", "v2.3.1", "v2.5.2", "v3.0.3")
OCIS_VERSIONS = ("7.1.3", "7.2.0")
HOMEPAGE_VERSIONS = ("v1.7.0", "v1.12.3")
TOY_TAGS = ("1", "2")

# The digest of a role's image, by the reference that its version makes.
DIGEST_VARIABLES = {
    "immich_server_digest": ("ghcr.io/immich-app/immich-server:v", "immich_version"),
    "immich_machine_learning_digest": ("ghcr.io/immich-app/immich-machine-learning:v", "immich_version"),
    "ocis_digest": ("docker.io/owncloud/ocis:", "ocis_version"),
    "homepage_digest": ("ghcr.io/gethomepage/homepage:v", "homepage_version"),
    "traefik_digest": ("docker.io/library/traefik:v", "traefik_version"),
}
# Whole references that stand in place of a role's default.
IMAGE_VARIABLES = {
    "immich_database_image": "registry.example.org/postgresql-pgvector:17",
    "immich_cache_image": "docker.io/valkey/valkey:8-bookworm",
    "traefik_pages_image": "registry.example.org/busybox:1",
}

# Commands by the names that the real images have, each one line around a program of applications/.
COMMANDS = {
    "immich-server": "immich.py",
    "immich-healthcheck": "immich_commands.py healthcheck",
    "immich-admin": "immich_commands.py admin",
    "ocis": "ocis.py",
}

# Empty directories of the programs' layer: the account that owns each, and its mode.
DIRECTORIES = {
    "app": (0, 0o755),
    "app/config": (0, 0o755),
    "cache": (0, 0o755),
    "data": (999, 0o755),
    "etc/ocis": (1000, 0o755),
    "etc/traefik": (0, 0o755),
    "opt/stand_in": (0, 0o755),
    "stand-in": (0, 0o1777),
    "usr/src": (0, 0o755),
    "usr/src/app": (0, 0o755),
    "usr/src/app/upload": (0, 0o755),
    "var/lib/ocis": (1000, 0o755),
    "var/lib/postgresql/data": (999, 0o755),
}
TOY_DIRECTORIES = {"bin": (0, 0o755), "etc": (0, 0o755), "tmp": (0, 0o1777), "var": (0, 0o755)}


@dataclasses.dataclass(frozen=True)
class Image:
    reference: str
    base: str  # "debian" or "busybox"
    run: dict[str, object]
    extra_layer: str | None = None


def program_files() -> dict[str, bytes | pathlib.Path]:
    files: dict[str, bytes | pathlib.Path] = {
        f"opt/stand_in/{path.name}": path for path in (HERE / "applications").glob("[a-z]*.*")
    }
    files.update({f"usr/local/bin/{path.name}": path for path in (HERE / "entrypoints").glob("*.sh")})
    files.update(
        {
            f"usr/local/bin/{name}": f'#!/bin/sh\nexec python3 /opt/stand_in/{call} "$@"\n'.encode()
            for name, call in COMMANDS.items()
        }
    )
    files["usr/src/healthcheck.py"] = HERE / "applications" / "immich_ml_healthcheck.py"
    return files


def role_variables() -> dict[str, str]:
    """Values of the roles' variables, as templates over ``stand_in_images``."""
    digests = {name: _digest_of(f"'{start}' ~ {version}") for name, (start, version) in DIGEST_VARIABLES.items()}
    return digests | {name: f"{image}@" + _digest_of(f"'{image}'") for name, image in IMAGE_VARIABLES.items()}


def _digest_of(reference: str) -> str:
    return "{{ stand_in_images[" + reference + "] }}"


def _run(
    command: list[str], entrypoint: list[str] | None = None, env: dict[str, str] | None = None, **more: object
) -> dict[str, object]:
    variables = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONUNBUFFERED": "1",
        **(env or {}),
    }
    run: dict[str, object] = {"Cmd": command, "Env": [f"{name}={value}" for name, value in variables.items()], **more}
    return {**run, "Entrypoint": entrypoint} if entrypoint else run


def images() -> list[Image]:
    found = [
        # The toy's first process takes no signals, and a test should not wait for it.
        *(
            Image(
                f"registry.example.org/busybox:{tag}", "busybox", _run(["sh"], env={"TAG": tag}, StopSignal="SIGKILL")
            )
            for tag in TOY_TAGS
        ),
        Image(
            "docker.io/library/traefik:v3.7.15",
            "debian",
            _run(["traefik"], ["/usr/local/bin/traefik.sh"]),
            extra_layer="traefik",
        ),
        Image(
            "docker.io/valkey/valkey:8-bookworm",
            "debian",
            _run(["valkey-server"], ["/usr/local/bin/valkey.sh"], WorkingDir="/data", Volumes={"/data": {}}),
        ),
        Image(
            "registry.example.org/postgresql-pgvector:17",
            "debian",
            _run(
                ["postgres"],
                ["/usr/local/bin/postgresql.sh"],
                {"PGDATA": "/var/lib/postgresql/data", "LANG": "C.UTF-8"},
                StopSignal="SIGINT",
                Volumes={"/var/lib/postgresql/data": {}},
            ),
        ),
    ]
    for version in IMMICH_VERSIONS:
        env = {"STAND_IN_VERSION": version}
        found.append(
            Image(
                f"ghcr.io/immich-app/immich-server:{version}",
                "debian",
                _run(["immich-server"], env=env, WorkingDir="/usr/src/app"),
            )
        )
        found.append(
            Image(
                f"ghcr.io/immich-app/immich-machine-learning:{version}",
                "debian",
                _run(["python3", "/opt/stand_in/immich_ml.py"], env=env, WorkingDir="/usr/src"),
            )
        )
    for version in OCIS_VERSIONS:
        run = _run(
            ["server"],
            ["/usr/local/bin/ocis"],
            {"STAND_IN_VERSION": version},
            User="1000",
            Volumes={"/etc/ocis": {}, "/var/lib/ocis": {}},
        )
        found.append(Image(f"docker.io/owncloud/ocis:{version}", "debian", run))
    for version in HOMEPAGE_VERSIONS:
        found.append(
            Image(
                f"ghcr.io/gethomepage/homepage:{version}",
                "debian",
                _run(
                    ["python3", "/opt/stand_in/homepage.py"],
                    env={"STAND_IN_VERSION": version, "PORT": "3000"},
                    WorkingDir="/app",
                ),
            )
        )
    return found
