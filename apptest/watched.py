"""A process that is treated badly: how much memory it takes meanwhile, and whether others notice."""
import threading

from harness import memory_bytes

MIB = 1 << 20


class Watched:
    """While the block runs, clients beside it go on: `beside` are calls of one request each -> what was wrong with its
    answer, or nothing."""

    def __init__(self, pid, growth_max, *beside):
        self.pid, self.growth_max, self.beside = pid, growth_max, beside
        self.stop, self.failed, self.answered = threading.Event(), [], 0

    def __enter__(self):
        self.before = self.most = memory_bytes(self.pid)
        self.threads = [threading.Thread(target=f) for f in (self.watch, self.others)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def watch(self):
        while not self.stop.wait(0.01):
            self.most = max(self.most, memory_bytes(self.pid))

    def others(self):
        while True:
            for ask in self.beside:
                wrong = ask()
                self.answered += not wrong
                if wrong:
                    self.failed.append(wrong)
            if self.stop.wait(0.1):
                return

    def check(self):
        assert not self.failed and self.answered >= len(self.beside), self.failed[:3]
        assert self.most - self.before < self.growth_max, f"{self.before / MIB:.0f} -> {self.most / MIB:.0f} MiB"
