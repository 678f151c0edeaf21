# Copyright: the patriark.homelab maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What trips a photo timeline or an upload, followed from the router to its middlewares and its entry point.

Looking for rateLimit anywhere in the files fails on the routers of others; looking at a router's own list alone fails on
chains, entry points and labels.
"""

from __future__ import annotations

import textwrap

import pytest
from ansible_collections.patriark.homelab.plugins.module_utils.report import homepage, traefik
from ansible_collections.patriark.homelab.plugins.module_utils.report.traefik_config import (
    Configuration,
    from_words,
    from_yaml,
)
from ansible_collections.patriark.homelab.plugins.module_utils.yaml_text.nodes import Fault

STATIC = """
entryPoints:
  websecure:
    address: ":443"
    transport: {respondingTimeouts: {readTimeout: 12h}}
"""
ROUTER = """
http:
  routers:
    photos: {rule: Host(`photos.example.org`), service: photos, middlewares: [%s], tls: {}}
    blog: {rule: Host(`blog.example.org`), service: blog, middlewares: [limit]}
  services:
    photos: {loadBalancer: {servers: [{url: "http://%s"}]}}
    blog: {loadBalancer: {servers: [{url: "http://blog:80"}]}}
  middlewares:
    %s
"""
NAMES = {"immich": {"immich-server"}, "ocis": {"systemd-ocis"}}


def configuration(text: str) -> Configuration:
    result = Configuration()
    result.add(from_yaml(textwrap.dedent(text), "file.yml"))
    return result


def findings(
    middlewares: str = "limit", server: str = "immich-server:2283", definitions: str = "limit: {}", static: str = STATIC, labels: tuple[str, ...] = ()
) -> list[str]:
    docker = Configuration()
    docker.add(from_words([(label, "immich.container", 7) for label in labels], "traefik."))
    dynamic = {"file": configuration(ROUTER % (middlewares, server, definitions)), "docker": docker}
    read = traefik.Traefik(configuration(static), dynamic)
    routers = traefik.routers(read, NAMES, lambda file: "immich" if file == "immich.container" else "")
    return [f"{one.path}:{one.line} {one.what} ({one.fits})" for one in traefik.findings(read, routers)]


@pytest.mark.parametrize(
    ("definition", "server", "words"),
    [
        ("limit: {rateLimit: {average: 200, period: 1m, burst: 100}}", "immich-server:2283", "lets 200 requests per 1m through, and 100 at once: Immich"),
        ("limit: {rateLimit: {average: 200, period: 1m, burst: 800}}", "immich-server:2283", ""),
        ("limit: {rateLimit: {average: 100}}", "immich-server:2283", "100 requests per 1s through, and 1 at once"),
        ("limit: {rateLimit: {burst: 5}}", "immich-server:2283", ""),
        ("limit: {rateLimit: {average: 200, period: 1m, burst: 800}}", "systemd-ocis:9200", "oCIS needs more and gets 429 (burst 800 and 3000 a minute"),
        ("limit: {rateLimit: {average: 50, burst: 800}}", "systemd-ocis:9200", ""),
        ("limit: {retry: {attempts: 3}}", "systemd-ocis:9200", "3 attempts"),
        ("limit: {circuitBreaker: {expression: ResponseCodeRatio(500, 600, 0, 600) > 0.25}}", "10.89.0.4:9200", "circuit breaker"),
        ("limit: {buffering: {maxRequestBodyBytes: 2000000}}", "immich-server:2283", "refuses more than 2000000 bytes"),
        ("limit: {headers: {frameDeny: true}}", "immich-server:2283", ""),
        ("limit: {retry: {attempts: 3}}", "blog-backend:2283", ""),
    ],
)
def test_a_middleware_trips_or_not(definition: str, server: str, words: str) -> None:
    told = findings(definitions=definition, server=server)
    assert len(told) == (1 if words else 0)
    assert all(words in one for one in told)


@pytest.mark.parametrize(
    "limit", ["again: {retry: {attempts: 2}}\n    limit: {chain: {middlewares: [inner]}}\n    inner: {chain: {middlewares: [again, limit]}}"]
)
def test_chains_are_followed_and_circles_end(limit: str) -> None:
    assert len(findings(definitions=limit)) == 1


def test_the_middleware_of_an_entry_point_counts_for_every_router() -> None:
    static = STATIC + "    http: {middlewares: [everywhere@file]}\n"
    assert "everywhere on the router photos" in findings("none", definitions="everywhere: {retry: {attempts: 2}}", static=static)[0]


@pytest.mark.parametrize(
    ("timeouts", "words"),
    [
        ("", "has no readTimeout, so that an upload ends after 60 seconds (transport"),
        ("    transport: {respondingTimeouts: {readTimeout: 60s}}\n", "ends an upload after 60s"),
        ("    transport: {respondingTimeouts: {readTimeout: 300}}\n", "ends an upload after 300"),
        ("    transport: {respondingTimeouts: {readTimeout: 10m}}\n", ""),
        ("    transport: {respondingTimeouts: {readTimeout: 0}}\n", ""),
    ],
)
def test_the_read_timeout_of_the_entry_point(timeouts: str, words: str) -> None:
    told = findings(static='entryPoints:\n  websecure:\n    address: ":443"\n' + timeouts)
    assert len(told) == (1 if words else 0)
    assert all(words in one for one in told)


def test_an_entry_point_that_only_sends_elsewhere_is_passed_over() -> None:
    assert findings(static=STATIC + '  web:\n    address: ":80"\n    http: {redirections: {entryPoint: {to: websecure}}}\n') == []


def test_labels_say_the_same_as_files() -> None:
    labels = (
        "traefik.enable=true",
        "traefik.http.routers.gallery.rule=Host(`gallery.example.org`)",
        "traefik.http.routers.gallery.middlewares=slow,again@file",
        "traefik.http.middlewares.slow.ratelimit.average=10",
    )
    told = findings("none", "elsewhere:80", "again: {retry: {attempts: 2}}", labels=labels)
    assert ["immich.container:7" in one for one in told] == [True, False]
    assert "slow on the router gallery lets 10 requests per 1s" in told[0]


def test_the_command_line_says_the_same_as_the_static_file() -> None:
    static = Configuration()
    words = ["--entryPoints.websecure.address=:8443", "--entrypoints.websecure.http.middlewares[0]=limit@file"]
    static.add(from_words([(word, "traefik.container", 5) for word in words], "--"))
    assert static.text("entrypoints", "websecure", "address") == ":8443"
    assert static.listed("entrypoints", "websecure", "http", "middlewares") == ["limit@file"]


def test_a_route_is_the_encrypted_name() -> None:
    read = traefik.Traefik(configuration(STATIC), {"file": configuration(ROUTER % ("none", "immich-server:2283", "x: {}"))})
    routers = traefik.routers(read, NAMES, lambda _file: "")
    assert traefik.route(read, routers, "immich") == traefik.Route("photos.example.org", "websecure", True)
    assert traefik.route(read, routers, "ocis") is None


@pytest.mark.parametrize(("text", "value"), [("60", 60), ("1m30s", 90), ("12h", 43200), ("100ms", 0.1), ("soon", None), ("", None)])
def test_durations_are_read_as_go_writes_them(text: str, value: float | None) -> None:
    assert traefik.seconds(text) == value


def test_a_file_with_go_templates_is_a_fault_and_no_crash() -> None:
    with pytest.raises(Fault):
        configuration("http:\n{{ range $i, $e := until 100 }}\n  routers: {}\n{{ end }}\n")


def test_aliases_that_unfold_without_end_are_a_fault_at_once() -> None:
    levels = "".join(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 9))
    for read in (configuration, lambda text: homepage.look("services.yaml", text, "2.3.1", "1.7.0")):
        with pytest.raises(Fault, match="unfold"):
            read("a0: &a0 [x, x]\n" + levels)
