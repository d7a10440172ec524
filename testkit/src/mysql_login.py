"""A server of MySQL's protocol that lets users in by `caching_sha2_password`, as one does that has not seen them since it began.

Arguments: port, password, and a file with certificate and key for TLS, or nothing. The protocol is that of the package
`mysql-mimic`; how the password is proven is MySQL's documentation ("Caching SHA-2 Pluggable Authentication"), full
authentication. Without TLS a client is given a key by which it would have to encrypt the password. MariaDB's own client logs
in to it. What is asked of it afterwards is taken, and answered with nothing.
"""

import asyncio
import os
import ssl
import sys

from mysql_mimic import IdentityProvider, MysqlServer, Session, User
from mysql_mimic.auth import AuthPlugin, Forbidden, Success

PASSWORD = sys.argv[2].encode()
# "Perform full authentication".
FULL = b"\x04"
ASKS_FOR_KEY = b"\x02"
KEY = b"-----BEGIN PUBLIC KEY-----\nfor nobody\n-----END PUBLIC KEY-----\n"


class CachingSha2(AuthPlugin):
    name = "caching_sha2_password"
    client_plugin_name = "caching_sha2_password"

    async def auth(self, auth_info=None):
        if not auth_info or auth_info.handshake_plugin_name != self.name:
            nonce = bytes(1 + byte % 126 for byte in os.urandom(20))
            auth_info = yield nonce + b"\0"
        told = yield FULL
        if told.data == ASKS_FOR_KEY:
            told = yield KEY
        yield Success(told.user.name) if told.data == PASSWORD + b"\0" else Forbidden()


class Users(IdentityProvider):
    def get_plugins(self):
        return [CachingSha2()]

    async def get_user(self, username):
        return User(name=username, auth_plugin="caching_sha2_password")


class Quiet(Session):
    async def handle_query(self, sql, attrs):
        return None


async def main():
    context = None
    if len(sys.argv) > 3:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[3])
    server = MysqlServer(session_factory=Quiet, identity_provider=Users(), ssl=context)
    await server.serve_forever(host="127.0.0.1", port=int(sys.argv[1]))


asyncio.run(main())
