"""Starts the shop: PostgreSQL, Redis, the peers, eight services."""
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from . import places
from .places import BIN, DEMO
from .processes import Stopped, wait_http

SHOP = DEMO / "shop"
# Who sends whose telemetry: one credential for each team. One alone cannot make the loop act.
TEAMS = {
    "storefront": ("gateway", "recommend"),
    "identity": ("accounts",),
    "orders": ("checkout", "payment", "inventory", "notify"),
    "catalog": ("catalog",),
}
JAVA = ["-Xmx128m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:MaxMetaspaceSize=96m",
        "-Dsun.net.httpserver.nodelay=true", "-Djdk.httpclient.keepalive.timeout=30"]


def postgres_bin():
    if shutil.which("initdb"):
        return pathlib.Path(shutil.which("initdb")).resolve().parent
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        raise Stopped("PostgreSQL's programs are not installed: apt-get install postgresql-15")
    return found[-1]


class Shop:
    def __init__(self, processes, ports, names, tokens, otlp=True):
        self.processes, self.ports, self.names, self.tokens = processes, ports, names, tokens
        self.otlp = otlp
        self.private = pathlib.Path(tempfile.mkdtemp(prefix="homeostat-demo-"))  # readable for PostgreSQL's user
        self.names_file = self.private / "names.json"

    # ---- data stores

    def _postgres(self):
        home, bin_, user = self.private / "postgresql", postgres_bin(), "postgres" if places.is_root() else None
        self.private.chmod(0o755)
        home.mkdir()
        if user:
            shutil.chown(home, user, user)
        prefix = ["runuser", "-u", user, "--"] if user else []
        make = subprocess.run([*prefix, bin_ / "initdb", "-D", home / "data", "-A", "trust", "-U", "shop", "-N",
                               "--locale=C", "-E", "UTF8"], capture_output=True, text=True, cwd="/")
        if make.returncode:
            raise Stopped(f"initdb failed: {make.stderr}")
        options = {"port": self.ports["postgresql"], "listen_addresses": "127.0.0.1", "max_connections": 80,
                   "unix_socket_directories": home, "fsync": "off", "synchronous_commit": "off",
                   "shared_buffers": "32MB", "autovacuum": "off"}
        arguments = [bin_ / "postgres", "-D", home / "data"]
        for key, value in options.items():
            arguments += ["-c", f"{key}={value}"]
        # SIGINT: a fast shutdown
        self.processes.start("postgresql", arguments, user=user, directory="/", stop=signal.SIGINT)

    def _redis(self):
        options = {"port": self.ports["redis"], "bind": "127.0.0.1", "save": "", "appendonly": "no",
                   "maxmemory": "64mb", "dir": self.private}
        self.processes.start("redis", ["redis-server", *(x for k, v in options.items() for x in (f"--{k}", v))])

    def _wait_port(self, name, seconds=20):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.processes.check()
            with socket.socket() as s:
                s.settimeout(0.5)
                if s.connect_ex(("127.0.0.1", self.ports[name])) == 0:
                    return
            time.sleep(0.1)
        raise Stopped(f"{name} does not listen after {seconds} s:\n{self.processes.tail(name)}")

    def _database_ready(self):
        end = time.monotonic() + 20
        ready = postgres_bin() / "pg_isready"
        while time.monotonic() < end:
            if subprocess.run([ready, "-q", "-h", "127.0.0.1", "-p", str(self.ports["postgresql"])]).returncode == 0:
                return
            time.sleep(0.1)
        raise Stopped(f"PostgreSQL is not ready:\n{self.processes.tail('postgresql')}")

    # ---- services

    def _environment(self, name):
        p = self.ports
        team = next(t for t, members in TEAMS.items() if name in members)
        grpc = name in ("checkout", "catalog")
        env = {
            "SHOP_PORT": p[name], "SHOP_INSTANCE": f"{self.names.of('service', name)}-1", "SHOP_NAMES": self.names_file,
            "OFREP_ENDPOINT": p.url("values"),
            "OTEL_SERVICE_NAME": self.names.of("service", name),
            "OTEL_RESOURCE_ATTRIBUTES": f"service.instance.id={self.names.of('service', name)}-1,service.version=1.0.0",
            "OTEL_EXPORTER_OTLP_ENDPOINT": p.url("otlp_grpc" if grpc else "otlp_http"),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if grpc else "http/protobuf",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
            "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip" if name in ("gateway", "catalog") else "none",
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{self.tokens[team]}",
            "OTEL_BSP_SCHEDULE_DELAY": 1000, "OTEL_BLRP_SCHEDULE_DELAY": 1000, "OTEL_METRIC_EXPORT_INTERVAL": 1000,
            "OTEL_BSP_MAX_QUEUE_SIZE": 8192, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": 2048,
            "OTEL_METRICS_EXPORTER": "none" if name == "catalog" else "otlp",
            "OTEL_JAVA_GLOBAL_AUTOCONFIGURE_ENABLED": "false", "OTEL_PROPAGATORS": "tracecontext",
            "DATABASE_URL": f"postgres://shop@127.0.0.1:{p['postgresql']}/postgres?sslmode=disable",
            "REDIS_ADDR": f"127.0.0.1:{p['redis']}", "REDIS_URL": f"redis://127.0.0.1:{p['redis']}/0",
            "REDIS_CACHE_PORT": p["proxy:redis-cache"], "PAY_PRIMARY_URL": p.url("proxy:pay-primary"),
            "PAY_BACKUP_URL": p.url("pay-backup"), "SHIPPING_URL": p.url("proxy:shipping-rates"),
            "PYTHONUNBUFFERED": 1, "GOMEMLIMIT": "96MiB", "GOMAXPROCS": 2,
        }
        for other in ("catalog", "accounts", "checkout", "recommend", "payment", "inventory"):
            env[f"{other.upper()}_URL"] = p.url(other)
        if name == "catalog":
            env["DATABASE_URL"] = f"jdbc:postgresql://127.0.0.1:{p['postgresql']}/postgres?user=shop&ApplicationName=catalog"
        return env

    def _command(self, name):
        if name == "gateway":
            return ["node", "--max-old-space-size=128", "main.js"], SHOP / "gateway"
        if name in ("checkout", "inventory"):
            return [BIN / name], None
        if name == "catalog":
            return ["java", *JAVA, "-jar", SHOP / "catalog/target/catalog.jar"], None
        return [sys.executable, f"{name}.py"], SHOP / "python"

    def start(self, say):
        self.names.write(self.names_file)
        say("starting PostgreSQL and Redis")
        self._postgres()
        self._redis()
        p = self.ports
        self.processes.start("peers", [BIN / "peers", "-primary", f"127.0.0.1:{p['pay-primary']}",
                                       "-backup", f"127.0.0.1:{p['pay-backup']}",
                                       "-shipping", f"127.0.0.1:{p['shipping-rates']}"])
        self._wait_port("redis")
        self._database_ready()
        services = [name for members in TEAMS.values() for name in members]
        say(f"starting {len(services)} services: {', '.join(services)}")
        for name in services:
            self.start_service(name)
        for name in services:
            wait_http(p.url(name) + "/healthz", 40, self.processes, name)

    def start_service(self, name):
        command, directory = self._command(name)
        self.processes.start(name, command, self._environment(name), directory=directory)

    def remove(self):
        shutil.rmtree(self.private, ignore_errors=True)
