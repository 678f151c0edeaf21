"""Stand-in for ownCloud Infinite Scale: its command line, and its server as a proxy, a backup and an upload see it."""

from __future__ import annotations

import argparse
import base64
import html
import json
import os
import pathlib
import ssl
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator

import ocis_page
import ocis_storage
import web
import yaml
from ocis_instance import Instance, Refused, config_file, new_config, read_config, users_folder

VERSION = os.environ.get("STAND_IN_VERSION", "7.1.3")


class Ocis:
    def __init__(self, instance: Instance, url: str) -> None:
        self.instance, self.url = instance, url
        self.assets = ocis_page.assets(VERSION)
        self.issuer_seen = False

    def answer(self, request: web.Request) -> web.Answer:
        path = request.path
        if path == "/status.php":
            names = {
                "edition": "Community",
                "productname": "Infinite Scale",
                "product": "Infinite Scale",
                "productversion": VERSION,
            }
            return web.as_json(
                {
                    "installed": True,
                    "maintenance": False,
                    "needsDbUpgrade": False,
                    "version": "10.11.0.0",
                    "versionstring": "10.11.0",
                    **names,
                }
            )
        if path == "/.well-known/openid-configuration":
            places = {
                "authorization_endpoint": "/signin/v1/identifier/_/authorize",
                "token_endpoint": "/konnect/v1/token",
                "jwks_uri": "/konnect/v1/jwks.json",
            }
            return web.as_json({"issuer": self.url, **{name: self.url + place for name, place in places.items()}})
        if path == "/config.json":
            return web.as_json(
                {
                    "server": self.url,
                    "theme": f"{self.url}/themes/owncloud/theme.json",
                    "openIdConnect": {"authority": self.url, "client_id": "web"},
                }
            )
        if path == "/signin/v1/identifier/_/logon" and request.method == "POST":
            return self.logon(request)
        if path.startswith("/graph/v1.0/"):
            name = self.authorize(request)
            return web.as_json(
                {
                    "displayName": name.title(),
                    "onPremisesSamAccountName": name,
                    "id": self.instance.accounts()[name]["id"],
                }
            )
        if path.startswith(("/remote.php/", "/dav/")):
            return self.webdav(request, self.authorize(request))
        if path in self.assets:
            media_type, content = self.assets[path]
            return web.cacheable(request, content, media_type)
        return web.as_text(
            ocis_page.index(VERSION), Cache_Control="no-cache, no-store, max-age=0, must-revalidate, value"
        )

    # ---- who asks

    def logon(self, request: web.Request) -> web.Answer:
        """The first step of a login in the real one; here it hands out the token that the other steps would bring."""
        params: list[str] = request.json().get("params", [])
        name, password, *_more = [*params, "", ""]
        if not self.instance.login(name, password):
            return web.Answer(204)
        return web.as_json({"success": True, "access_token": self.instance.token(name)})

    def authorize(self, request: web.Request) -> str:
        kind, _space, given = request.headers.get("Authorization", "").partition(" ")
        try:
            if kind == "Bearer":
                self.see_issuer()
                name = self.instance.user_of(given)
            elif kind == "Basic" and os.environ.get("PROXY_ENABLE_BASIC_AUTH") == "true":
                user, _colon, password = base64.b64decode(given).decode().partition(":")
                name = user if self.instance.login(user, password) else None
            else:
                if kind == "Basic":
                    web.log("basic authentication is off; PROXY_ENABLE_BASIC_AUTH=true turns it on")
                name = None
        except (Refused, OSError) as problem:
            web.log(f"error: failed to authenticate the request: {problem}")
            name = None
        if name is None:
            raise web.Refusal(
                web.Answer(401, headers={"Www-Authenticate": f'Bearer realm="{self.url}", charset="UTF-8"'})
            )
        return name

    def see_issuer(self) -> None:
        """A token is worth what its issuer says, so this server has to reach its own public address."""
        if self.issuer_seen:
            return
        context = ssl.create_default_context()
        if os.environ.get("OCIS_INSECURE") == "true":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with urllib.request.urlopen(
            f"{self.url}/.well-known/openid-configuration", timeout=5, context=context
        ) as answer:
            issuer = json.load(answer)["issuer"]
        if issuer != self.url:
            raise Refused(f"the issuer at {self.url} is {issuer}")
        self.issuer_seen = True

    # ---- files

    def webdav(self, request: web.Request, name: str) -> web.Answer:
        space = self.instance.space(name)
        parts = file_path(request.path, name)
        try:
            if request.method in ("GET", "HEAD"):
                found = space.describe(space.find(parts))
                if found["type"] == "folder":
                    return web.Answer(405)
                tag = {"ETag": f'"{found["blob"]}"'}
                return web.Answer(media_type="application/octet-stream", headers=tag, file=space.blob(found["blob"]))
            if request.method == "PROPFIND":
                return web.Answer(207, multistatus(space, request, parts).encode(), "application/xml; charset=utf-8")
            if request.method == "PUT" and parts:
                new = space.put(parts, iter(request.body.read, b""))
                return web.Answer(
                    201 if new else 204, headers={"ETag": f'"{space.describe(space.find(parts))["blob"]}"'}
                )
            if request.method == "MKCOL" and parts:
                if parts[-1] in space.children(space.find(parts[:-1])):
                    return web.Answer(405)
                space.make_folder(parts)
                return web.Answer(201)
            if request.method == "MOVE" and parts:
                to = urllib.parse.unquote(urllib.parse.urlsplit(request.headers["Destination"]).path)
                space.move(parts, file_path(to, name))
                return web.Answer(201)
            if request.method == "DELETE" and parts:
                space.delete(parts)
                return web.Answer(204)
        except ocis_storage.Missing as problem:
            return web.Answer(404 if request.method != "PUT" else 409, str(problem).encode(), "text/plain")
        return web.Answer(405)


def file_path(path: str, user: str) -> list[str]:
    """Where in the user's space a request's path points."""
    for start in (f"/remote.php/dav/files/{user}", f"/dav/files/{user}", "/remote.php/webdav", "/dav/spaces"):
        if path == start or path.startswith(f"{start}/"):
            parts = [part for part in path.removeprefix(start).split("/") if part]
            if not {".", ".."} & set(parts):
                return parts
    raise web.Refusal(web.Answer(404))


def multistatus(space: ocis_storage.Space, request: web.Request, parts: list[str]) -> str:
    identifier = space.find(parts)
    shown = {"": identifier, **(space.children(identifier) if request.headers.get("Depth", "1") != "0" else {})}
    return f'<?xml version="1.0"?>\n<d:multistatus xmlns:d="DAV:">{"".join(responses(space, request.path.rstrip("/"), shown))}</d:multistatus>\n'


def responses(space: ocis_storage.Space, base: str, shown: dict[str, str]) -> Iterator[str]:
    for name, identifier in shown.items():
        found = space.describe(identifier)
        kind = "<d:collection/>" if found["type"] == "folder" else ""
        size = f"<d:getcontentlength>{found['size']}</d:getcontentlength>" if "size" in found else ""
        href = html.escape(urllib.parse.quote(f"{base}/{name}" if name else f"{base}/"))
        properties = (
            f"<d:resourcetype>{kind}</d:resourcetype>{size}<d:displayname>{html.escape(found['name'])}</d:displayname>"
        )
        yield f"<d:response><d:href>{href}</d:href><d:propstat><d:prop>{properties}</d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"


# ---- commands


def init(options: argparse.Namespace) -> None:
    path = config_file()
    if options.diff:
        read_config()
        path.with_name("ocis.config.patch").write_text("")
        return
    if path.exists() and not options.force_overwrite:
        raise Refused(
            f"config file already exists: {path}, use --force-overwrite to overwrite or --diff to show differences"
        )
    insecure = options.insecure
    if insecure == "ask":
        print(
            "Do you want to configure Infinite Scale with certificate checking disabled? This is not recommended for public instances! [yes | no = default] ",
            end="",
            flush=True,
        )
        insecure = sys.stdin.readline().strip()
        if not insecure and not sys.stdin.isatty():
            raise Refused("EOF")
    password = options.admin_password or os.urandom(12).hex()
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        yaml.safe_dump(new_config(password, insecure in ("yes", "true")), stream)
    line = 41 * "="
    print(f"{line}\n generated OCIS Config\n{line}\n configpath : {path}\n user : admin\n password : {password}\n")


def server(options: argparse.Namespace) -> None:
    faults = web.Faults(VERSION)
    web.start("ownCloud Infinite Scale", faults)
    url = os.environ.get("OCIS_URL", "https://localhost:9200").rstrip("/")
    if not url.startswith("https://"):
        raise Refused(f"OCIS_URL={url}: logins need https")
    if os.environ.get("PROXY_TLS") != "false":
        raise Refused("this stand-in cannot speak TLS itself: set PROXY_TLS=false")
    instance = Instance(read_config())
    instance.open()
    host, _colon, port = os.environ.get("PROXY_HTTP_ADDR", "0.0.0.0:9200").rpartition(":")
    web.log(f"listening on {host}:{port}")
    web.Server(int(port), Ocis(instance, url).answer, faults, host or "0.0.0.0").serve_forever()


def reset_password(options: argparse.Namespace) -> None:
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise Refused("the new password is read from the standard input, and there is none")
    instance = Instance(read_config())
    instance.open()
    instance.reset_password(options.user_name, password)


def consistency(options: argparse.Namespace) -> None:
    found = list(ocis_storage.inconsistencies(options.basepath))
    print("\n".join(found) or "No inconsistencies found.")
    if found and options.fail:
        raise Refused(f"{len(found)} inconsistencies")


def parse() -> argparse.Namespace:
    """The part of the command line that scripts use; flags and variables have the real names."""
    parser = argparse.ArgumentParser(prog="ocis", description="Stand-in for ownCloud Infinite Scale")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    making = commands.add_parser("init")
    making.add_argument("--insecure", default=os.environ.get("OCIS_INSECURE", "ask"))
    making.add_argument(
        "--admin-password", default=os.environ.get("ADMIN_PASSWORD") or os.environ.get("IDM_ADMIN_PASSWORD")
    )
    making.add_argument(
        "--force-overwrite", action="store_true", default=os.environ.get("OCIS_FORCE_CONFIG_OVERWRITE") == "true"
    )
    making.add_argument("--diff", action="store_true")
    making.set_defaults(call=init)
    commands.add_parser("server").set_defaults(call=server)
    commands.add_parser("version").set_defaults(call=lambda options: print(f"Version: {VERSION} (stand-in)"))
    reset = commands.add_parser("idm").add_subparsers(required=True).add_parser("resetpassword")
    reset.add_argument("-u", "--user-name", default="admin")
    reset.set_defaults(call=reset_password)
    check = commands.add_parser("backup").add_subparsers(required=True).add_parser("consistency")
    check.add_argument("-p", "--basepath", type=pathlib.Path, default=users_folder())
    check.add_argument("--fail", action="store_true")
    check.set_defaults(call=consistency)
    return parser.parse_args()


def main() -> None:
    options = parse()
    try:
        options.call(options)
    except (Refused, OSError) as problem:
        sys.exit(f"ocis (stand-in): {problem}")


if __name__ == "__main__":
    main()
