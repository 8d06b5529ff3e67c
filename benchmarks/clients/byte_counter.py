"""Counts the bytes that a server sends: a relay that stands between it and a client."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


class Wire:
    """The address to connect to, and how many bytes have come back through it so far."""

    def __init__(self, listener: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.bytes = 0


@contextlib.contextmanager
def wire(port: int) -> Iterator[Wire]:
    """Relays to `port` of this machine for as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        counted = Wire(listener)
        threading.Thread(target=_accept, args=(listener, port, counted), daemon=True).start()
        yield counted
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # on Linux a close alone doesn't wake the thread that accepts


def _accept(listener: socket.socket, port: int, counted: Wire) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return  # the context has ended
        threading.Thread(target=_connect, args=(client, port, counted), daemon=True).start()


def _connect(client: socket.socket, port: int, counted: Wire) -> None:
    """Carries one connection: requests in a thread beside this one, answers in this one."""
    with client, socket.create_connection(("127.0.0.1", port)) as server:
        asking = threading.Thread(target=_copy, args=(client, server), daemon=True)
        asking.start()
        _copy(server, client, counted)
        with contextlib.suppress(OSError):
            client.shutdown(socket.SHUT_RD)
        asking.join()


def _copy(source: socket.socket, target: socket.socket, counted: Wire | None = None) -> None:
    with contextlib.suppress(OSError):  # either side may go at any time
        while data := source.recv(65_536):
            target.sendall(data)
            if counted:
                counted.bytes += len(data)
        target.shutdown(socket.SHUT_WR)
