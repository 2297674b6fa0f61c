"""The command line of the demo, and the order of things."""
import argparse
import json
import os
import random
import secrets
import shutil
import signal
import sys
import time

from . import build, faults, healthy, live, load, places, product, report, settings, shop, trial
from .processes import Processes, Stopped

WARM_SECONDS = 60  # of good service before anything is judged: baselines are learned
SETTLE_SECONDS_MAX = 150  # from the start of the load until the shop serves well: caches fill, compilers compile
HOLDS_BEFORE_SECONDS = 10
APART = 3          # trials of one fault are at least so far apart, where there are enough others


def arguments(argv):
    known = known_faults()
    parser = argparse.ArgumentParser(
        prog="./dev demo", description="Breaks a small shop in several ways, with Homeostat's loop off and on, in random "
        "order and with a healthy period, and reports what was detected, changed and repaired.",
        epilog="Results: build/demo/report.json and report.html. Exit code 0: every repairable fault was repaired, "
        "nothing was changed while all was well, nothing is left injected or changed.")
    parser.add_argument("--list", action="store_true", help="list the faults and end")
    parser.add_argument("--only", metavar="FAULT", action="append", choices=sorted(known), help="run this fault only "
                        "(may be given more than once); no healthy period")
    parser.add_argument("--full", action="store_true", help="repeat each pair five times; paired differences with intervals")
    parser.add_argument("--stay", action="store_true", help="start everything, print where it is, and keep it running")
    parser.add_argument("--seed", type=int, default=1, help="of the order, the arrivals and the customers' choices")
    parser.add_argument("--rename", type=int, metavar="SEED", help="give all services, operations, knobs and metrics "
                        "invented names")
    parser.add_argument("--blind", action="store_true", help="do not tell Homeostat what the knobs are expected to do")
    parser.add_argument("--loop-on-only", action="store_true", help="leave out the trials with the loop off")
    parser.add_argument("--no-healthy", action="store_true", help="leave out the healthy period")
    return parser.parse_args(argv)


def known_faults():
    """Without the YAML library: --help and --list work before anything is installed."""
    return json.loads((places.DEMO / "truth.json").read_text())["faults"]


def order(wanted, repeats, draw, both):
    """Every fault, with the loop off and on, in random order; trials of one fault stay apart."""
    trials = [(name, on) for name in wanted for on in ((False, True) if both else (True,)) for _ in range(repeats)]
    apart = min(APART, len(wanted))
    for _ in range(10_000):
        draw.shuffle(trials)
        if all(trials[i][0] != trials[j][0] for i in range(len(trials)) for j in range(i + 1, min(i + apart, len(trials)))):
            break
    return trials


class World:
    """What a trial needs: the shop, its load, Homeostat, and a way to show things."""

    def __init__(self, options):
        self.options = options
        self.live = live.Live()
        self.names = settings.names(options.rename)
        self.ports = places.Ports()
        self.directory = places.BUILD / "run"
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.processes = Processes(self.directory / "logs")
        tokens = {team: secrets.token_hex(16) for team in shop.TEAMS}
        config = self.directory / "homeostat.yaml"
        settings.write(config, self.ports, self.names, options.blind, tokens)
        self.homeostat = product.Homeostat(self.processes, self.ports, self.directory / "data", config)
        self.shop = shop.Shop(self.processes, self.ports, self.names, tokens)
        self.load = load.Load(self.processes, self.ports, self.directory / "load.csv", settings.goals(), options.seed)
        self.faults = faults.Faults(self.homeostat, self.ports, self.load, self.names)

    def start(self):
        self.live.say("starting Homeostat")
        self.homeostat.start()
        self.shop.start(self.live.say)
        self.live.say("starting the load")
        self.load.start()
        self.live.say(f"console   {self.ports.url('http')}/   shop {self.ports.url('gateway')}/home")

    def tick(self, lines):
        """About a second: takes in the record, shows the state, notices what died."""
        self.processes.check()
        self.load.read()
        self.live.status(lines)
        time.sleep(0.7)

    def warm(self, seconds):
        self.live.title(f"warming up: until the shop serves well, and {seconds} s more, in which Homeostat may not act")
        self.homeostat.act(False)
        if not self.wait_calm(SETTLE_SECONDS_MAX):
            raise Stopped(f"the shop does not serve well {SETTLE_SECONDS_MAX} s after its start: this machine is too busy")
        end = time.time() + seconds
        while time.time() < end:
            self.tick([live.measured(self.load, time.time())])

    def wait_calm(self, seconds, watch=None):
        """Until every objective has held for a while and Homeostat has no incident open. -> whether service is good."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if watch:
                watch.look()
            self.tick(watch.lines(time.time()) if watch else [live.measured(self.load, time.time())])
            since = int(time.time()) - HOLDS_BEFORE_SECONDS - 2
            well = all(self.load.holds(operation, since) for operation in self.load.goals)
            if well and not any(trial.is_open(i) for i in self.homeostat.incidents()):
                return True
        return well

    def stop(self):
        self.live.end()
        try:
            self.faults.undo()
        except (OSError, product.Refused):
            pass  # it is going away anyway
        self.processes.stop("load")
        self.homeostat.stop()
        self.processes.stop_all()
        self.shop.remove()


def stay(world):
    """Everything running and the loop acting, until Ctrl-C; says where to look and how to break something."""
    http, token = world.ports.url("http"), world.homeostat.data / "token"
    world.homeostat.act(True)
    world.live.say("everything stays running, and Homeostat may act; Ctrl-C ends it")
    world.live.say(f"look      {http}/    knobs {http}/v1/knobs    logs {world.processes.logs}")
    world.live.say(f"Grafana   homeostat grafana install --url http://GRAFANA --token TOKEN --homeostat {http}")
    proxy = next(p["name"] for p in world.homeostat.get("/v1/chaos/proxies")["proxies"] if p["protocol"] == "http")
    fault = json.dumps({"proxy": proxy, "kind": "status", "status": 500, "share": 0.7, "lease": "5m"})
    world.live.say(f"""break it  curl {http}/v1/chaos/faults -H "Authorization: Bearer $(cat {token})" -d '{fault}'""")
    world.live.say(f"          what else can be broken: curl {http}/v1/chaos/proxies")
    watch = trial.Watch(world, time.time())
    while True:
        watch.look()
        world.tick(watch.lines(time.time()))


def run(options, world):
    known = known_faults()
    wanted = options.only or list(known)
    trials = order(wanted, 5 if options.full else 1, random.Random(f"order/{options.seed}"), not options.loop_on_only)
    results = {"seed": options.seed, "rename": options.rename, "blind": options.blind, "started": time.time(),
               "trials": [], "healthy": None, "failures": []}
    world.warm(WARM_SECONDS)
    if options.stay:
        stay(world)
    if not options.only and not options.no_healthy:
        results["healthy"] = healthy.Healthy(world, 190).run()
    for number, (name, on) in enumerate(trials, 1):
        world.live.plain(f"\n[{number} of {len(trials)}]")
        try:
            results["trials"].append(trial.Trial(world, name, known[name], on).run())
        except trial.Failed as problem:
            results["failures"].append(str(problem))
            world.live.say(f"failed    {problem}")
    results["kpis"] = world.homeostat.get("/v1/kpis")
    results["left"] = {"faults": world.faults.left(), "knobs": [k.get("key") for k in world.homeostat.changed_knobs()]}
    results["cpu_seconds"] = {k: round(v, 1) for k, v in world.processes.cpu_seconds().items()}
    results["memory_mib"] = world.processes.memory_mib()
    results["seconds"] = round(time.time() - results["started"])
    return results


def end_on_signals():
    def end(*_):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGHUP, end)


def main(argv=None):
    options = arguments(argv)
    if options.list:
        for name, fault in known_faults().items():
            print(f"{name:22s} {fault['about']}{'' if fault['repairable'] else ' (no knob repairs it)'}")
        return 0
    end_on_signals()
    world = None
    try:
        build.build(lambda text: print(f"==> {text}", flush=True))
        if not os.access(os.environ.get("HOMEOSTAT", ""), os.X_OK):
            raise Stopped("HOMEOSTAT does not name the built binary; start the demo with ./dev demo")
        world = World(options)
        world.start()
        results = run(options, world)
    except (Stopped, build.CannotBuild, product.Refused) as problem:
        print(f"\ndemo: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\ndemo: interrupted; everything that was started is being stopped", file=sys.stderr)
        return 130
    finally:
        if world:
            world.stop()
    return report.finish(results, places.BUILD, print)
