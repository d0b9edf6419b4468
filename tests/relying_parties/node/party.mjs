// Walks through everything that npm's openid-client can do here, as an application would.
//
// Talks with the test in lines of JSON. Reads first { issuer, redirect_uri, clients: { basic, post, jwt, public } };
// writes { open: URL } where a person has to act, and reads what their browser then sends to the redirect URI:
// { url } or { body }. At the end it writes { verified: [...] }. KEYWARD_TEST_NODE names the folder where openid-client
// is installed.

import assert from 'node:assert/strict'
import { createHash, webcrypto } from 'node:crypto'
import { setDefaultResultOrder } from 'node:dns'
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

// Node 18, as Debian 12 has it, keeps these out of the global scope and prefers [::1], where nothing need listen
globalThis.crypto ??= webcrypto
globalThis.CryptoKey ??= webcrypto.CryptoKey
setDefaultResultOrder('ipv4first')

const installed = createRequire(`${process.env.KEYWARD_TEST_NODE}/package.json`)
const oidc = await import(pathToFileURL(installed.resolve('openid-client')))

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const read = async () => JSON.parse((await lines.next()).value)
const write = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)
const verified = []
const ok = (what) => verified.push(what)

const { issuer, redirect_uri: redirectUri, clients } = await read()

/** Discovers the server for one client. */
async function discover(clientId, authentication, metadata = {}) {
  const config = await oidc.discovery(new URL(issuer), clientId, metadata, authentication, {
    execute: [oidc.allowInsecureRequests],
  })
  // Without this the library trusts ID tokens from the token endpoint unseen (OpenID Connect Core §3.1.3.7, 6)
  oidc.enableNonRepudiationChecks(config)
  return config
}

/** Sends the person to the server and redeems the code that comes back. */
async function signIn(config, extra = {}) {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier()
  const expectedState = oidc.randomState()
  const expectedNonce = oidc.randomNonce()
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid profile email offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
    ...extra,
  })
  write({ open: url.href })
  const back = await read()
  const callback = back.url
    ? new URL(back.url)
    : new Request(redirectUri, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: back.body,
      })
  // checks state, iss (RFC 9207), and of the ID token signature, iss, aud, exp, nonce
  const tokens = await oidc.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true })
  const half = createHash('sha256').update(tokens.access_token).digest().subarray(0, 16).toString('base64url')
  assert.equal(tokens.claims().at_hash, half, 'at_hash')
  assert.equal(tokens.claims().nonce, expectedNonce, 'nonce')
  assert.equal(tokens.token_type, 'bearer')
  return tokens
}

// A confidential client, from the first page to sign-out
const basic = await discover(clients.basic.id, oidc.ClientSecretBasic(clients.basic.secret))
assert.equal(basic.serverMetadata().issuer, issuer)
assert.ok(basic.serverMetadata().supportsPKCE())
ok('discovery')

const tokens = await signIn(basic)
const subject = tokens.claims().sub
ok('code flow with PKCE, state, nonce and ID token')

const about = await oidc.fetchUserInfo(basic, tokens.access_token, subject)
assert.equal(about.email, 'ada@example.org')
ok('userinfo')

const refreshed = await oidc.refreshTokenGrant(basic, tokens.refresh_token)
assert.notEqual(refreshed.refresh_token, tokens.refresh_token)
assert.equal(refreshed.claims().sub, subject)
ok('refresh')

const active = await oidc.tokenIntrospection(basic, refreshed.access_token)
assert.equal(active.active, true)
assert.equal(active.sub, subject)
assert.equal(active.client_id, clients.basic.id)
ok('introspection')

const denied = await oidc.authorizationCodeGrant(basic, new URL(`${redirectUri}?code=nothing&iss=${encodeURIComponent(issuer)}`), { pkceCodeVerifier: oidc.randomPKCECodeVerifier() })
  .then(() => 'accepted', (error) => error.error)
assert.equal(denied, 'invalid_grant')
ok('an unknown code is refused')

await oidc.tokenRevocation(basic, refreshed.refresh_token, { token_type_hint: 'refresh_token' })
for (const token of [refreshed.refresh_token, refreshed.access_token]) {
  assert.equal((await oidc.tokenIntrospection(basic, token)).active, false)
}
ok('revocation')

const own = await oidc.clientCredentialsGrant(basic)
assert.equal((await oidc.tokenIntrospection(basic, own.access_token)).sub, clients.basic.id)
assert.equal(own.refresh_token, undefined)
ok('client_credentials')

// Every other way in
const post = await discover(clients.post.id, oidc.ClientSecretPost(clients.post.secret))
await signIn(post, { response_mode: 'form_post' })
ok('client_secret_post and form_post')

const key = await crypto.subtle.importKey('jwk', clients.jwt.key, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
const jwt = await discover(clients.jwt.id, oidc.PrivateKeyJwt({ key, kid: clients.jwt.key.kid }))
const signed = await signIn(jwt)
await oidc.refreshTokenGrant(jwt, signed.refresh_token)
const machine = await oidc.clientCredentialsGrant(jwt)
assert.equal((await oidc.tokenIntrospection(jwt, machine.access_token)).active, true)
ok('private_key_jwt')

const open = await discover(clients.public.id, oidc.None())
const first = await signIn(open)
const second = await oidc.refreshTokenGrant(open, first.refresh_token)
await oidc.tokenRevocation(open, second.refresh_token)
const ended = await oidc.refreshTokenGrant(open, second.refresh_token).then(() => 'accepted', (error) => error.error)
assert.equal(ended, 'invalid_grant')
ok('public client')

write({ verified })
process.exit(0)
