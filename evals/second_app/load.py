"""The load, and what riders saw: open loop, Poisson arrivals, seeded. A request counts as bad until it has ended well."""
import asyncio
import random
import threading
import time

from kit import Client

RATES = {"POST /estimate": 12.0, "POST /rides": 12.0, "POST /status": 6.0}  # a second
SLOW_MS = {"POST /estimate": 300, "POST /rides": 500, "POST /status": 300}
GOOD, FAST = 0.97, 0.90    # shares that are owed
PATIENCE_S = 4             # of a rider
HOLD_S = 10
RIDERS = 400
LAG_S_MAX = 1.0            # of messages: what is owed there
IN_FLIGHT_MAX = 2000       # a fault that lasts may not take the machine with it


class Load:
    def __init__(self, endpoints, seed, usual=1.0):
        self._client, self._sms = Client(endpoints["rider-api"]), Client(endpoints["sms-gateway"])
        self._random, self._usual, self.factor = random.Random(seed), usual, 1.0
        self._seen = {}  # (operation, second) -> [n, good, fast]
        self._stop, self._in_flight = threading.Event(), set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        self._thread.join(PATIENCE_S + 2)

    async def _run(self):
        loop, due = asyncio.get_running_loop(), time.time()
        watch = loop.create_task(self._watch_lag())
        while not self._stop.is_set():
            due += self._random.expovariate(sum(RATES.values()) * self._usual * self.factor)
            await asyncio.sleep(max(0.0, due - time.time()))
            operation = self._random.choices(list(RATES), list(RATES.values()))[0]
            if len(self._in_flight) < IN_FLIGHT_MAX:
                task = loop.create_task(self._request(operation, f"rider-{self._random.randrange(RIDERS)}"))
                self._in_flight.add(task)
                task.add_done_callback(self._in_flight.discard)
        watch.cancel()

    async def _request(self, operation, rider):
        start = time.monotonic()
        seen = self._seen.setdefault((operation, int(time.time())), [0, 0, 0])
        seen[0] += 1
        method, path = operation.split(" ")
        try:
            status, _ = await self._client.call(method, path, {"rider": rider}, timeout=PATIENCE_S)
        except (OSError, asyncio.TimeoutError):
            return
        seen[1] += status == 200
        seen[2] += status == 200 and (time.monotonic() - start) * 1000 < SLOW_MS[operation]

    async def _watch_lag(self):
        while True:
            second = int(time.time())
            _, body = await self._sms.call("GET", "/lag", timeout=5)
            good = float(body.split(b":")[1].strip(b" }")) <= LAG_S_MAX
            self._seen["messages", second] = [1, good, good]
            await asyncio.sleep(1 - time.time() % 1)

    def window(self, operation, start, length):
        """-> n, share good, share good and fast, in [start, start + length) in Unix seconds."""
        found = [s for t in range(start, start + length) if (s := self._seen.get((operation, t)))]
        n = sum(s[0] for s in found)
        return (n, sum(s[1] for s in found) / n, sum(s[2] for s in found) / n) if n else (0, 0.0, 0.0)

    def holds(self, operation, start, length=HOLD_S):
        n, good, fast = self.window(operation, start, length)
        _, first_good, first_fast = self.window(operation, start, 1)
        return n > 0 and good >= GOOD and fast >= FAST and first_good >= 0.9 and first_fast >= 0.8

    def broken(self, operations, since, until):
        """The first second from which an objective does not hold for two seconds, or None."""
        for t in range(since, until - 1):
            for operation in operations:
                n, good, fast = self.window(operation, t, 2)
                if n and (good < GOOD or fast < FAST):
                    return t
        return None

    def restored(self, operations, since, now):
        """The first second from which all hold for HOLD_S, judged when their last requests had their second to end."""
        for t in range(since, int(now) - HOLD_S - 1):
            if all(self.holds(operation, t) for operation in operations):
                return t
        return None
