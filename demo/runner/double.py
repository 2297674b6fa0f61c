"""Stand-ins for Homeostat, to prove by hand that each fault breaks the shop and that its knob repairs it: an OFREP
server that answers what it is told, and a proxy that delays, refuses or answers errors. Not used by ./dev demo."""
import http.server
import json
import random
import socket
import threading
import time


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass  # a client that went away


class Values:
    def __init__(self, port, knobs):
        self.knobs, self.revision = dict(knobs), 1
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                key = self.path.rsplit("/flags/", 1)[-1]
                known = key in outer.knobs
                body = {"key": key, "value": outer.knobs.get(key), "variant": "base", "reason": "STATIC",
                        "metadata": {"revision": outer.revision, "version": str(outer.revision)}} if known else {
                    "key": key, "errorCode": "FLAG_NOT_FOUND", "errorDetails": "unknown"}
                data = json.dumps(body).encode()
                self.send_response_only(200 if known else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self._server = QuietServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def set(self, key, value):
        self.knobs[key] = value
        self.revision += 1


class Sink:
    """Takes telemetry over HTTP and forgets it."""

    def __init__(self, port):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.send_response_only(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = QuietServer(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()


class Proxy:
    """TCP, one thread a direction. fault: None, or a mapping as in truth.json."""

    def __init__(self, listen, upstream):
        self.fault, self._upstream = None, upstream
        self._listener = socket.create_server(("127.0.0.1", listen), backlog=256)
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def set(self, fault):
        self.fault = fault
        if fault and fault["kind"] == "down":
            for s in list(self._open):
                self._close(s)

    def _close(self, s):
        self._open.discard(s)
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        s.close()

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            if self.fault and self.fault["kind"] == "down":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self._upstream))
        except OSError:
            client.close()
            return
        for s in (client, server):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(s)
        threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
        self._pump(server, client, False)

    def _pump(self, source, sink, request):
        try:
            while data := source.recv(65536):
                fault = self.fault
                if request and fault and fault["kind"] == "latency":
                    time.sleep((fault["latency_ms"] + random.uniform(-1, 1) * fault.get("jitter_ms", 0)) / 1000)
                if request and fault and fault["kind"] == "status" and random.random() < fault["share"]:
                    source.sendall(f"HTTP/1.1 {fault['status']} no\r\nContent-Length: 0\r\n\r\n".encode())
                    continue
                sink.sendall(data)
        except OSError:
            pass
        self._close(source)
        self._close(sink)
