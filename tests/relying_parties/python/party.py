"""Walks through everything that PyPI's Authlib can do here, as an application would.

Talks with the test in lines of JSON. Reads first {issuer, redirect_uri, clients: {basic, post, jwt, public}}; writes
{"open": URL} where a person has to act, and reads where their browser then goes, {"url": ...}. At the end it writes
{"verified": [...]}.
"""

import base64
import hashlib
import json
import secrets
import sys
import time

import requests
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet


def read():
    return json.loads(sys.stdin.readline())


def write(message):
    print(json.dumps(message), flush=True)


verified = []
start = read()
issuer, redirect_uri, clients = start["issuer"], start["redirect_uri"], start["clients"]

metadata = requests.get(issuer + "/.well-known/openid-configuration", timeout=10).json()
assert metadata["issuer"] == issuer
keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=10).json())
verified.append("discovery")


def session(client, method, **more):
    return OAuth2Session(
        client["id"],
        client.get("secret"),
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        scope="openid profile email offline_access",
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        **more,
    )


def id_token(tokens, client, nonce):
    """OpenID Connect Core §3.1.3.7 and §3.1.3.8."""
    token = jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])
    registry = jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client["id"]},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    registry.validate(token.claims)
    half = hashlib.sha256(tokens["access_token"].encode()).digest()[:16]
    assert token.claims["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode(), "at_hash"
    return token.claims


def sign_in(session, client):
    """Sends the person to the server and redeems the code that comes back; the session checks state."""
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    url, state = session.create_authorization_url(
        metadata["authorization_endpoint"], code_verifier=verifier, nonce=nonce
    )
    write({"open": url})
    tokens = session.fetch_token(
        metadata["token_endpoint"], authorization_response=read()["url"], state=state, code_verifier=verifier
    )
    return tokens, id_token(tokens, client, nonce)


def introspect(session, token):
    return session.introspect_token(metadata["introspection_endpoint"], token=token).json()


def refused(call):
    try:
        call()
    except OAuthError as error:
        return error.error
    raise AssertionError("accepted")


# A confidential client, from the first page to revocation
basic = session(clients["basic"], "client_secret_basic")
tokens, claims = sign_in(basic, clients["basic"])
verified.append("code flow with PKCE, state, nonce and ID token")

about = basic.get(metadata["userinfo_endpoint"]).json()
assert about["sub"] == claims["sub"] and about["email"] == "ada@example.org", about
verified.append("userinfo")

refreshed = basic.refresh_token(metadata["token_endpoint"], refresh_token=tokens["refresh_token"])
assert refreshed["refresh_token"] != tokens["refresh_token"]
verified.append("refresh")

active = introspect(basic, refreshed["access_token"])
assert active["active"] is True and active["sub"] == claims["sub"], active
verified.append("introspection")

unknown = lambda: basic.fetch_token(metadata["token_endpoint"], code="nothing", code_verifier=secrets.token_urlsafe(48))
assert refused(unknown) == "invalid_grant"
verified.append("an unknown code is refused")

answer = basic.revoke_token(
    metadata["revocation_endpoint"], token=refreshed["refresh_token"], token_type_hint="refresh_token"
)
assert answer.status_code == 200, answer.text
for token in (refreshed["refresh_token"], refreshed["access_token"]):
    assert introspect(basic, token) == {"active": False}
verified.append("revocation")

machine = OAuth2Session(
    clients["basic"]["id"], clients["basic"]["secret"], token_endpoint_auth_method="client_secret_basic"
)
own = machine.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
assert introspect(machine, own["access_token"])["sub"] == clients["basic"]["id"]
assert "refresh_token" not in own
verified.append("client_credentials")

# Every other way in
sign_in(session(clients["post"], "client_secret_post"), clients["post"])
verified.append("client_secret_post")

class Assertion(PrivateKeyJWT):
    """The library's assertions name the token endpoint and last an hour. The server takes those that name itself, as
    RFC 7523 §3 does since its update, and last ten minutes at most."""

    def sign(self, auth, token_endpoint):
        # the library adds a jti to what it finds here, and would use it again
        self.claims = {"exp": int(time.time()) + 300}
        return super().sign(auth, issuer)


private_key = {"id": clients["jwt"]["id"], "secret": ECKey.import_key(clients["jwt"]["key"])}
signed = session(private_key, "private_key_jwt")
signed.register_client_auth_method(Assertion(alg="ES256"))
tokens, _ = sign_in(signed, clients["jwt"])
signed.refresh_token(metadata["token_endpoint"], refresh_token=tokens["refresh_token"])
assert introspect(signed, signed.token["access_token"])["active"] is True
verified.append("private_key_jwt")

public = session(clients["public"], "none")
tokens, _ = sign_in(public, clients["public"])
assert public.revoke_token(metadata["revocation_endpoint"], token=tokens["refresh_token"]).status_code == 200
again = lambda: public.refresh_token(metadata["token_endpoint"], refresh_token=tokens["refresh_token"])
assert refused(again) == "invalid_grant"
verified.append("public client")

write({"verified": verified})
