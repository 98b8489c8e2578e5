# SPDX-License-Identifier: BSD-3-Clause
"""A client of the registry protocol: frames, signatures, simulated nodes."""
import base64
import ctypes
import ctypes.util
import json
import socket
import struct

sodium = ctypes.CDLL(ctypes.util.find_library("sodium") or "libsodium.so.23")


class Refused(Exception):
    pass


class Closed(Exception):
    pass


def frame(request):
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    return struct.pack(">I", len(body)) + body


class Client:
    def __init__(self, address, timeout=60, source=""):
        self.sock = socket.create_connection(address, timeout, (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def send(self, request):
        self.sock.sendall(frame(request))

    def take(self, size):
        while len(self.rest) < size:
            data = self.sock.recv(65536)
            if not data:
                raise Closed
            self.rest += data
        data, self.rest = self.rest[:size], self.rest[size:]
        return data

    def receive(self):
        (size,) = struct.unpack(">I", self.take(4))
        return json.loads(self.take(size))

    def ask(self, type, **fields):
        """The reply, or Refused with its error."""
        self.send({"type": type, **fields})
        reply = self.receive()
        if "error" in reply:
            raise Refused(reply["error"])
        assert reply["type"] == type + "_ok", reply
        return reply

    def close(self):
        self.sock.close()


class Node:
    """Knows its key, signs as daemons do."""

    def __init__(self, seed):
        public = ctypes.create_string_buffer(32)
        self.secret = ctypes.create_string_buffer(64)
        sodium.crypto_sign_seed_keypair(public, self.secret, seed.to_bytes(32, "big"))
        self.public_key = base64.b64encode(public.raw).decode()
        self.id = 0

    def sign(self, text):
        signature = ctypes.create_string_buffer(64)
        sodium.crypto_sign_detached(
            signature, None, text.encode(), ctypes.c_ulonglong(len(text)), self.secret)
        return base64.b64encode(signature.raw).decode()

    def register(self, client, **fields):
        fields = {"listen_addr": ":4000", "owner": f"{self.public_key[:8]}@example.org", **fields}
        reply = client.ask("register", public_key=self.public_key, **fields)
        self.id = reply["node_id"]
        return reply

    def ask(self, client, type, challenge, **fields):
        """A signed request; `challenge` is the text of what is signed."""
        return client.ask(type, signature=self.sign(challenge), **fields)

    def own(self, client, type, **fields):
        """A request signed over type:id."""
        return self.ask(client, type, f"{type}:{self.id}", node_id=self.id, **fields)

    def pair(self, client, type, peer):
        return self.ask(client, type, f"{type}:{self.id}:{peer.id}", node_id=self.id,
                        peer_id=peer.id)

    def resolve(self, client, peer):
        return self.ask(client, "resolve", f"resolve:{self.id}:{peer.id}", node_id=peer.id,
                        requester_id=self.id)
