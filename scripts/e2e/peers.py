"""The peers of promop that this test controls: the way to the API server, and targets that log their requests."""

import base64
import http.server
import select
import socket
import threading
import time
import urllib.request


class Forwarder:
    """A TCP port that leads to the API server until it is cut."""

    def __init__(self, host, port, address="127.0.0.1", own_port=0):
        self.to = (host, port)
        self.address = address
        self.lock = threading.Lock()
        self.open = set()
        self.listener = None
        self.port = own_port
        self.heal()

    def heal(self):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.address, self.port))
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self.listener = listener
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def cut(self):
        """Breaks every connection and refuses new ones."""
        listener, self.listener = self.listener, None
        # shutdown wakes the thread in accept; close alone would not.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        try:
            server = socket.create_connection(self.to, timeout=10)
        except OSError:
            client.close()
            return
        pair = {client: server, server: client}
        with self.lock:
            self.open |= pair.keys()
        try:
            while True:
                for side in select.select(list(pair), [], [])[0]:
                    data = side.recv(65536)
                    if not data:
                        return
                    pair[side].sendall(data)
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open -= pair.keys()
            client.close()
            server.close()


class Target:
    """A page at some address of this network namespace, with a log of when it was asked. `page` is text, or the URL of
    the exporter that stands behind it."""

    def __init__(self, address, port, page, login=None):
        self.log = []
        self.refused = 0
        target = self
        wanted = login and "Basic " + base64.b64encode(login.encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if wanted and self.headers["Authorization"] != wanted:
                    target.refused += 1
                    self.answer(401, b"", "text/plain")
                    return
                target.log.append(time.monotonic())
                if not page.startswith("http"):
                    self.answer(200, page.encode(), "text/plain; version=0.0.4")
                    return
                asked = urllib.request.Request(page, headers={"Accept": self.headers.get("Accept", "*/*")})
                with urllib.request.urlopen(asked, timeout=5) as behind:
                    self.answer(200, behind.read(), behind.headers["Content-Type"])

            def answer(self, status, body, content_type):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def requests(self, since, until=float("inf")):
        return [at for at in list(self.log) if since <= at <= until]

    def longest_gap(self, since, until):
        """The longest time without a request between two moments, both counted as if there had been one."""
        times = [since, *self.requests(since, until), until]
        return max(later - earlier for earlier, later in zip(times, times[1:]))
