"""An SMTP server that does as it is told: aiosmtpd on a port of loopback, ruled by lines of JSON on standard input.

It is started with one argument, JSON: {"port": 0, "tls": null | "starttls" | "tls", "folder": "…", "user": [name, password]},
and says {"port": n} when it listens. Each command is answered with one line:

  {"do": "rule", "stage": "connect" | "mail" | "rcpt" | "data", "reply": "451 later" | null, "times": n | null}
      what that stage answers, the next n times or from now on; "silence" answers nothing, ever; "hold" waits for
      "release" and then accepts; null is as usual. "rcpt" may have "address", the one that it is about.
  {"do": "release"}    lets go of what is held
  {"do": "received"}   the mails that were accepted: from, to, message, tls, user
  {"do": "counts"}     how often each stage was reached, and how many are held now
"""

import asyncio
import json
import logging
import ssl
import sys
import warnings
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Handler:
    def __init__(self):
        self.rules = {}
        self.received = []
        self.counts = {"connect": 0, "mail": 0, "rcpt": 0, "data": 0, "held": 0}
        self.gate = asyncio.Event()

    async def obey(self, stage, address=None):
        self.counts[stage] += 1
        rule = self.rules.get(stage)
        if rule is None or rule.get("address") not in (None, address):
            return None
        if rule["times"] is not None:
            rule["times"] -= 1
            if rule["times"] == 0:
                del self.rules[stage]
        if rule["reply"] == "silence":
            await asyncio.Event().wait()
        if rule["reply"] == "hold":
            self.counts["held"] += 1
            await self.gate.wait()
            self.counts["held"] -= 1
            return None
        return rule["reply"]

    async def handle_MAIL(self, server, session, envelope, address, options):
        reply = await self.obey("mail")
        if reply is None:
            envelope.mail_from = address
        return reply or "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        reply = await self.obey("rcpt", address)
        if reply is None:
            envelope.rcpt_tos.append(address)
        return reply or "250 OK"

    async def handle_DATA(self, server, session, envelope):
        # accepted before it is held: who does not wait for the answer does not know
        mail = {
            "from": envelope.mail_from,
            "to": list(envelope.rcpt_tos),
            "message": envelope.content.decode("utf-8"),
            "tls": server.transport.get_extra_info("sslcontext") is not None,
            "user": session.auth_data.login.decode() if session.authenticated else None,
        }
        held = self.rules.get("data", {}).get("reply") == "hold"
        if held:
            self.received.append(mail)
        reply = await self.obey("data")
        if reply is None and not held:
            self.received.append(mail)
        return reply or "250 OK"


async def main():
    # authentication without encryption is what one of the tests is about
    warnings.simplefilter("ignore")
    logging.disable()
    told = json.loads(sys.argv[1])
    handler = Handler()
    context = None
    if told["tls"]:
        folder = Path(told["folder"])
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    options = {"hostname": "mail.example", "enable_SMTPUTF8": False, "timeout": 3600}
    if told["tls"] == "starttls":
        options |= {"tls_context": context, "require_starttls": True}
    if told["user"]:

        def authenticate(server, session, envelope, mechanism, given):
            right = isinstance(given, LoginPassword) and [given.login.decode(), given.password.decode()] == told["user"]
            return AuthResult(success=right, handled=False, auth_data=given)

        options |= {"authenticator": authenticate, "auth_required": True, "auth_require_tls": told["tls"] == "starttls"}

    class Server(SMTP):
        async def _handle_client(self):
            reply = await handler.obey("connect")
            if reply:
                await self.push(reply)
                self.transport.close()
                return
            await super()._handle_client()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Server(handler, loop=loop, **options),
        "127.0.0.1",
        told["port"],
        ssl=context if told["tls"] == "tls" else None,
    )
    print(json.dumps({"port": server.sockets[0].getsockname()[1]}), flush=True)

    reader = asyncio.StreamReader(limit=2**24)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        answer = {}
        match command["do"]:
            case "rule":
                if command["reply"] is None:
                    handler.rules.pop(command["stage"], None)
                else:
                    handler.rules[command["stage"]] = command
            case "release":
                handler.rules.pop("data", None)
                handler.gate.set()
                handler.gate = asyncio.Event()
            case "received":
                answer = handler.received
            case "counts":
                answer = handler.counts
        print(json.dumps(answer), flush=True)


asyncio.run(main())
