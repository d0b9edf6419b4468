"""What clients and people do: administration, browsers that sign in, applications that redeem and refresh."""

from __future__ import annotations

import hashlib
import html
import re
import secrets
import time
from base64 import urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from http_client import Http, PatientHttp, Reply, basic, bearer
from server import PASSWORD, ROOT_CLIENT, ROOT_SECRET, Server

CALLBACK = "http://localhost:9/callback"
SCOPE = "openid profile email offline_access"


class Unexpected(Exception):
    """An answer that no fault excuses."""


def expect(reply: Reply, *statuses: int) -> Reply:
    """The answer, if it has one of these statuses."""
    if reply.status not in statuses:
        raise Unexpected(f"expected {statuses}, got {reply}")
    return reply


@dataclass
class Person:
    """Somebody who can sign in."""

    id: str
    email: str
    password: str = PASSWORD


@dataclass(frozen=True)
class Application:
    """A client of the server, with its secret."""

    id: str
    secret: str

    @property
    def auth(self) -> dict[str, str]:
        """How it authenticates."""
        return basic(self.id, self.secret)


ROOT = Application(ROOT_CLIENT, ROOT_SECRET)


@dataclass
class Tokens:
    """An answer of the token endpoint."""

    access: str
    refresh: str
    id_token: str
    expires_in: int

    @staticmethod
    def of(reply: Reply) -> Tokens:
        """Read from the answer."""
        document = reply.json()
        return Tokens(
            document["access_token"], document.get("refresh_token", ""), document.get("id_token", ""), document["expires_in"]
        )


def redeem(http: Http, app: Application, code: str, verifier: str) -> Reply:
    """Presents a code."""
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": verifier}
    return http.form("/oauth/token", fields, app.auth)


def refresh(http: Http, app: Application, token: str) -> Reply:
    """Presents a refresh token."""
    return http.form("/oauth/token", {"grant_type": "refresh_token", "refresh_token": token}, app.auth)


def own_token(http: Http, app: Application) -> Reply:
    """A token for the application itself."""
    return http.form("/oauth/token", {"grant_type": "client_credentials"}, app.auth)


def introspect(http: Http, app: Application, token: str) -> Reply:
    """Asks whether a token holds."""
    return http.form("/oauth/introspect", {"token": token}, app.auth)


def revoke(http: Http, app: Application, token: str) -> Reply:
    """Gives a token up."""
    return http.form("/oauth/revoke", {"token": token}, app.auth)


@dataclass
class Browser:
    """A browser: it keeps cookies, reads forms and posts them, and follows within the server."""

    http: Http
    cookies: dict[str, str] = field(default_factory=dict)

    def copy(self, http: Http) -> Browser:
        """The same browser on another connection."""
        return Browser(http, dict(self.cookies))

    def headers(self) -> dict[str, str]:
        """What it sends with every request."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Accept": "text/html", **({"Cookie": cookie} if cookie else {})}

    def _keep(self, reply: Reply) -> Reply:
        for cookie in reply.cookies:
            name, _, value = cookie.split(";", 1)[0].partition("=")
            self.cookies[name] = value
        return reply

    def get(self, path: str) -> Reply:
        """Opens a page; redirects are answers."""
        return self._keep(self.http.get(path, self.headers()))

    def post(self, path: str, fields: dict[str, str]) -> Reply:
        """Posts a form."""
        return self._keep(self.http.form(path, fields, self.headers()))

    def authorize(self, app: Application, person: Person, scope: str = SCOPE, extra: dict[str, str] | None = None) -> tuple[str, str]:
        """Takes an authorization request to its end, signing in where asked; the code and its verifier."""
        verifier = secrets.token_urlsafe(36)
        challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code", "client_id": app.id, "redirect_uri": CALLBACK, "scope": scope, "state": "s",
            "code_challenge": challenge, "code_challenge_method": "S256", **(extra or {}),
        }
        reply = self.get("/oauth/authorize?" + urlencode(query))
        for _ in range(8):
            location = reply.header("location")
            if reply.status in (302, 303) and location.startswith(CALLBACK):
                answer = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
                if answer.get("error") == "temporarily_unavailable":
                    # RFC 6749 §4.1.2.1: the code for 503 in a redirect, which has no Retry-After
                    raise Unavailable
                if "code" not in answer:
                    raise Unexpected(f"no code: {answer}")
                return answer["code"], verifier
            if reply.status in (302, 303):
                parts = urlsplit(urljoin("http://x/", location))
                reply = self.get(parts.path + (f"?{parts.query}" if parts.query else ""))
            elif reply.status == 200 and b'id="sign-in"' in reply.body:
                reply = self.submit(reply, "/login", {"username": person.email, "password": person.password, "sign_in": "true"})
            elif reply.status == 200 and b'id="allow"' in reply.body:
                reply = self.submit(reply, "/consent", {"allow": "true"})
            else:
                raise Refused(reply)
        raise Unexpected(f"redirected without end: {reply}")

    def submit(self, page: Reply, action: str, fields: dict[str, str]) -> Reply:
        """Sends the page's form to this address with these fields, and with the hidden ones."""
        text = page.body.decode()
        forms = re.findall(r"<form\b.*?</form>", text, re.S)
        form = next((form for form in forms if f'action="{action}' in form), forms[0] if forms else "")
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
        target = re.search(r'action="([^"]+)"', form)
        return self.post(
            html.unescape(target[1]) if target else action,
            {**{html.unescape(name): html.unescape(value) for name, value in hidden}, **fields},
        )

    def sign_in(self, person: Person, password: str | None = None) -> Reply:
        """Signs in at the server itself; the answer to the form."""
        page = expect(self.get("/login"), 200)
        return self.submit(page, "/login", {"username": person.email, "password": password or person.password, "sign_in": "true"})

    def is_signed_in(self) -> bool:
        """Whether the server knows who uses this browser: its account page opens."""
        reply = self.get("/account")
        if reply.status >= 500:
            raise Refused(reply)
        return reply.status == 200


class Refused(Exception):
    """A page answered something else than the way on."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class Unavailable(Exception):
    """An authorization request was answered with `temporarily_unavailable`."""


class Admin:
    """The administration over HTTP, with the root client's own token."""

    def __init__(self, http: Http) -> None:
        self.http = http
        self._token = ""

    def token(self) -> str:
        """The token, fetched when it is first needed."""
        if not self._token:
            reply = own_token(self.http, ROOT)
            if reply.status in (429, 503):
                raise Refused(reply)
            self._token = Tokens.of(expect(reply, 200)).access
        return self._token

    def forget_token(self) -> None:
        """The next request fetches another one."""
        self._token = ""

    def send(self, method: str, path: str, document: Any = None) -> Reply:
        """A request below `/resources`; a token that is over is renewed once."""
        for attempt in range(2):
            headers = bearer(self.token())
            path_ = f"/resources{path}"
            if document is None:
                reply = self.http.request(method, path_, headers=headers)
            else:
                reply = self.http.send_json(method, path_, document, headers)
            if reply.status != 401 or attempt:
                return reply
            self.forget_token()
        raise AssertionError("not reached")

    def everything(self, path: str, member: str) -> list[dict[str, Any]]:
        """All rows of a list, page by page."""
        rows: list[dict[str, Any]] = []
        after = ""
        while True:
            separator = "&" if "?" in path else "?"
            page = expect(self.send("GET", f"{path}{separator}limit=100{after}"), 200).json()
            rows += page[member]
            if len(page[member]) < 100 or not page.get("lastCursor"):
                return rows
            after = f"&after={page['lastCursor']}"

    def make_application(self, name: str, **members: Any) -> Application:
        """A first-party application that people sign in to, with a secret."""
        document = {
            "name": name, "redirectUris": [CALLBACK], "grantTypes": ["authorization_code", "refresh_token", "client_credentials"],
            "firstParty": True, **members,
        }
        expect(self.send("PUT", f"/iam/clients/{name}", document), 200, 201)
        secret = expect(self.send("POST", f"/iam/clients/{name}/secrets", {"description": "first"}), 200, 201).json()
        return Application(name, secret["secret"])


@dataclass
class House:
    """A server with an application and people who can sign in to it."""

    server: Server
    app: Application
    people: list[Person]

    def admin(self) -> Admin:
        """The administration, on a connection of its own."""
        return Admin(self.server.http())


def furnish(server: Server, people: int = 4) -> House:
    """Makes the application and the people of a house on a running server."""
    admin = Admin(PatientHttp(server.port, server.host, repeats=5))
    app = admin.make_application("shop")
    emails = [f"person{n}@example.org" for n in range(people)]

    def make(email: str) -> Person:
        for _ in range(5):
            done = server.command("principal", "create", "--email", email, "--password-stdin", "--json", stdin=PASSWORD + "\n", check=False)
            if done.returncode == 0:
                break
            # the database may be too slow for a moment
            time.sleep(1)
        identity = re.search(r'"id": "([^"]+)"', done.stdout)
        if not identity:
            raise RuntimeError(done.stdout + done.stderr)
        return Person(identity[1], email)

    with ThreadPoolExecutor(4) as pool:
        return House(server, app, list(pool.map(make, emails)))


