"""A real `homeostat agent` on free loopback ports, that forwards to whatever address it is given."""
import time

from harness import PATIENCE_S, Process, memory_bytes, wait_for


class Agent(Process):
    name = "agent"
    listeners = ("otlp_grpc", "otlp_http", "http")

    def __init__(self, to, settings=None, data=None):
        super().__init__({"agent.forward.url": to, "agent.forward.backoff_max": "500ms", **(settings or {})}, data=data)

    def start(self):
        self.spawn()
        end = time.monotonic() + PATIENCE_S
        while self.status() is None:
            assert not self.ended(), self.ended()
            assert time.monotonic() < end, f"the agent does not answer:\n{self.tail()}"
            time.sleep(0.05)

    def wait_drained(self):
        wait_for("the agent's queue is empty", lambda: (self.status() or {}).get("queue", {}).get("requests") == 0)

    def memory_kib(self, what="VmHWM"):
        return memory_bytes(self.process.pid, what) // 1024

    def queue_bytes(self):
        """Everything below its data directory, as bytes: what must not be there is not there."""
        return b"".join(p.read_bytes() for p in sorted(self.data.rglob("*")) if p.is_file())
