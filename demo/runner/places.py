"""Where things are, which ports they get, what they are called."""
import json
import os
import pathlib
import random
import socket

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "demo"
BUILD = ROOT / "build" / "demo"
BIN = BUILD / "bin"

# The numbers in homeostat.yaml; the demo moves each to a free port.
PORTS = {
    7101: "gateway", 7102: "checkout", 7103: "catalog", 7104: "payment", 7105: "inventory", 7106: "accounts",
    7107: "recommend", 7108: "notify", 7111: "pay-primary", 7112: "pay-backup", 7113: "shipping-rates",
    7120: "load", 7130: "postgresql", 7131: "redis",
    7141: "proxy:pay-primary", 7142: "proxy:redis-cache", 7143: "proxy:shipping-rates",
    7150: "otlp_grpc", 7151: "otlp_http", 7152: "http", 7153: "values",
}


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Ports:
    """Name -> free port on the loopback interface."""

    def __init__(self):
        self._moved = dict(zip(PORTS, free_ports(len(PORTS))))
        self._by_name = {name: self._moved[number] for number, name in PORTS.items()}

    def __getitem__(self, name):
        return self._by_name[name]

    def url(self, name):
        return f"http://127.0.0.1:{self[name]}"

    def moved(self, text):
        """The text with the demo's port numbers replaced by the free ones."""
        for number, port in self._moved.items():
            text = text.replace(f"127.0.0.1:{number}", f"127.0.0.1:{port}")
        return text


class Names:
    """What services, operations, knobs and metrics are called: as written, or by a seed's whim."""

    def __init__(self, seed=None, declared=None):
        self.map = {}
        if seed is not None:
            self._invent(random.Random(f"names/{seed}"), declared)

    def _invent(self, draw, declared):
        def word():
            letters = "bcdfghjklmnprstvwz"
            return "".join(draw.choice(letters) + draw.choice("aeiou") for _ in range(4))

        for kind, names in declared.items():
            for name in sorted(names):
                self.map[f"{kind}:{name}"] = word()

    def of(self, kind, name):
        return self.map.get(f"{kind}:{name}", name)

    def back(self, text):
        """A text with the invented words replaced by the written names, for the judge and the report."""
        for key, word in self.map.items():
            text = text.replace(word, key.split(":", 1)[1])
        return text

    def write(self, path):
        path.write_text(json.dumps(self.map))


def is_root():
    return os.geteuid() == 0
