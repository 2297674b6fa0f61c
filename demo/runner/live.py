"""The live view: what is measured, detected, decided and verified. On a terminal a block at the bottom that is drawn
anew each second, with events above it; elsewhere plain lines."""
import shutil
import sys
import time


class Live:
    def __init__(self, out=sys.stdout):
        self._out = out
        self._tty = out.isatty()
        self._lines = 0
        self._start = time.monotonic()
        self._last_plain = 0.0

    def _clear(self):
        if self._lines:
            self._out.write(f"\x1b[{self._lines}A\x1b[J")
            self._lines = 0

    def say(self, text):
        """An event: stays on the screen."""
        self._clear()
        elapsed = int(time.monotonic() - self._start)
        self._out.write(f"{elapsed // 60:3d}:{elapsed % 60:02d}  {text}\n")
        self._out.flush()

    def title(self, text):
        self._clear()
        self._out.write(f"\n\x1b[1m== {text}\x1b[0m\n" if self._tty else f"\n== {text}\n")
        self._out.flush()

    def plain(self, text=""):
        self._clear()
        self._out.write(text + "\n")
        self._out.flush()

    def status(self, lines):
        """The state of things; on a terminal it replaces the one before, elsewhere one line every ten seconds."""
        if self._tty:
            self._clear()
            width = shutil.get_terminal_size((120, 40)).columns - 1
            for line in lines:
                self._out.write(line[:width] + "\n")
            self._lines = len(lines)
            self._out.flush()
        elif time.monotonic() - self._last_plain > 10:
            self._last_plain = time.monotonic()
            self.say("measured: " + lines[0].strip())

    def end(self):
        self._clear()


def measured(load, now):
    """One line: each operation's rate, good share and p95 over the last three whole seconds."""
    words = []
    for operation in load.goals:
        n, good, fast, p95 = load.window(operation, int(now) - 4, 3)
        mark = "" if good >= load.goals[operation].target and fast >= load.goals[operation].latency_target else "!"
        words.append(f"{operation}{mark} {n / 3:.0f}/s {min(good, 1):.0%} {p95:.0f}ms")
    return " | ".join(words)


def of_incident(incident):
    cause = (incident.get("causes") or [{}])[0]
    return (f"incident {incident.get('id')} {incident.get('state')}: {cause.get('entity', '?')} {cause.get('kind', '')} "
            f"{cause.get('probability', 0):.0%}")
