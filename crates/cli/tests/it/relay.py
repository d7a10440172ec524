"""Two mail relays that want a login: one encrypted from the start, one after STARTTLS. Prints their ports, then a line of JSON for
each mail. Arguments: certificate and key."""

import asyncio
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult


class Kept:
    def __init__(self, way):
        self.way = way

    async def handle_DATA(self, server, session, envelope):
        encrypted = server.transport.get_extra_info("ssl_object") is not None
        told = {"way": self.way, "encrypted": encrypted, "login": session.auth_data.decode(), "to": envelope.rcpt_tos}
        print(json.dumps(told | {"text": envelope.content.decode()}), flush=True)
        return "250 taken"


def known(server, session, envelope, mechanism, data):
    is_known = data.login == b"baton" and data.password == b"s3cret/word"
    return AuthResult(success=is_known, handled=False, auth_data=data.login)


async def main():
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*sys.argv[1:3])
    login = {"authenticator": known, "auth_required": True}
    loop = asyncio.get_running_loop()
    direct = await loop.create_server(
        lambda: SMTP(Kept("smtps"), auth_require_tls=False, **login), "127.0.0.1", 0, ssl=context
    )
    upgraded = await loop.create_server(
        lambda: SMTP(Kept("starttls"), tls_context=context, require_starttls=True, **login), "127.0.0.1", 0
    )
    print(*[server.sockets[0].getsockname()[1] for server in (direct, upgraded)], flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
