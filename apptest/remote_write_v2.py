"""io.prometheus.write.v2.Request by hand."""
import cramjam

import remote_write as rw

HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
           "X-Prometheus-Remote-Write-Version": "2.0.0"}


def sample(value, time_ms, start_ms=0):
    return rw.message(2, rw.double(1, value) + rw.integer(2, time_ms) + rw.integer(3, start_ms))


def histogram(*fields):
    return rw.message(3, b"".join(fields))


class Request:
    """Collects series; texts become symbols."""

    def __init__(self):
        self.symbols, self.parts = [""], []

    def ref(self, text):
        if text not in self.symbols:
            self.symbols.append(text)
        return self.symbols.index(text)

    def refs(self, labels):
        return rw.message(1, b"".join(rw.varint(self.ref(t)) for pair in labels.items() for t in pair))

    def exemplar(self, value, time_ms, **labels):
        return rw.message(4, self.refs(labels) + rw.double(2, value) + rw.integer(3, time_ms))

    def metadata(self, kind, text, unit=""):
        return rw.message(5, rw.integer(1, kind) + rw.integer(3, self.ref(text)) + rw.integer(4, self.ref(unit)))

    def series(self, labels, *parts):
        self.parts.append(rw.message(5, self.refs(labels) + b"".join(parts)))
        return self

    def body(self):
        table = b"".join(rw.message(4, s.encode()) for s in self.symbols)
        return bytes(cramjam.snappy.compress_raw(table + b"".join(self.parts)))
