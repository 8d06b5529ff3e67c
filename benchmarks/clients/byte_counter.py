"""A TCP proxy between a client and a server that counts the bytes that the server sends."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class ByteCounter:
    """The URL to connect to, and the number of bytes received through it so far."""

    def __init__(self, listener: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.bytes = 0


@contextlib.contextmanager
def count_bytes(port: int) -> Iterator[ByteCounter]:
    """Forwards connections to `port` of this machine for as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        counter = ByteCounter(listener)
        threading.Thread(target=_accept, args=(listener, port, counter), daemon=True).start()
        yield counter
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # on Linux, closing alone doesn't wake the thread that accepts


def _accept(listener: socket.socket, port: int, counter: ByteCounter) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # the context has ended
        threading.Thread(target=_forward, args=(client, port, counter), daemon=True).start()


def _forward(client: socket.socket, port: int, counter: ByteCounter) -> None:
    """Forwards one connection: requests in a second thread, responses in this one."""
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        requests = threading.Thread(target=_copy, args=(client, server), daemon=True)
        requests.start()
        _copy(server, client, counter)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RD)
        requests.join()


def _copy(source: socket.socket, target: socket.socket, counter: ByteCounter | None = None) -> None:
    with contextlib.suppress(OSError):  # either side may close at any time
        while data := source.recv(65_536):
            target.sendall(data)
            if counter:
                counter.bytes += len(data)
        target.shutdown(socket.SHUT_WR)
