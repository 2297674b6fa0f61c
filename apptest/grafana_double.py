"""The part of Grafana's HTTP API that `homeostat grafana` uses, as its documentation describes it: data sources, folders,
dashboards, search. It keeps what it is given, and says no as Grafana does."""
import json
import urllib.parse

from http_double import Answering, Double


class GrafanaDouble(Double):
    def __init__(self, token="glsa_good", role="Admin", prefix=""):
        self.token, self.role, self.prefix = token, role, prefix
        self.sources, self.folders, self.dashboards = {}, {}, {}
        self.provisioned = set()  # uids of dashboards that come from files
        self.reaches_homeostat = True
        self.requests = []
        double = self

        class Handler(Answering):
            def handle_any(self):
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                double.requests.append((self.command, self.path, body))
                status, answer = double.answer(self.command, self.path, self.headers, body)
                self.answer(status, json.dumps(answer).encode(), "application/json; charset=UTF-8")

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

        super().__init__(Handler)

    @property
    def url(self):
        return f"http://{self.address}{self.prefix}"

    def answer(self, method, target, headers, body):
        if headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"message": "Invalid API key", "messageId": "api-key.invalid"}
        if method != "GET" and self.role != "Admin":
            return 403, {"message": "You'll need additional permissions to perform this action", "title": "Access denied"}
        parts = urllib.parse.urlsplit(target)
        if not parts.path.startswith(self.prefix + "/api/"):
            return 404, {"message": "Not found"}
        words = parts.path[len(self.prefix) + 5:].split("/")
        query = urllib.parse.parse_qs(parts.query)
        if words[0] == "datasources":
            return self.source(method, words[1:], body)
        if words[0] == "folders":
            return self.folder(method, words[1:], body)
        if words[0] == "dashboards":
            return self.dashboard(method, words[1:], body)
        if words[0] == "search":
            return 200, [{"uid": uid, "title": d["title"], "type": "dash-db"} for uid, (d, folder) in
                         self.dashboards.items() if folder in query["folderUIDs"]]
        return 404, {"message": "Not found"}

    def source(self, method, words, body):
        if method == "POST":
            if any(s["name"] == body["name"] or uid == body["uid"] for uid, s in self.sources.items()):
                return 409, {"message": "data source with the same name already exists"}
            self.sources[body["uid"]] = body
            return 200, {"datasource": body, "id": len(self.sources), "message": "Datasource added", "name": body["name"]}
        uid = words[1]
        if uid not in self.sources:
            return 404, {"message": "Data source not found"}
        if words[2:] == ["health"]:
            good = self.reaches_homeostat
            return (200, {"status": "OK", "message": "Successfully queried the Prometheus API."}) if good else \
                (400, {"status": "ERROR", "message": "connection refused"})
        if method == "PUT":
            self.sources[uid] = body
            return 200, {"datasource": body, "id": 1, "message": "Datasource updated", "name": body["name"]}
        if method == "DELETE":
            del self.sources[uid]
            return 200, {"id": 1, "message": "Data source deleted"}
        return 200, self.sources[uid]

    def folder(self, method, words, body):
        if method == "POST":
            if body["uid"] in self.folders:
                return 412, {"message": "The folder has been changed by someone else", "status": "version-mismatch"}
            self.folders[body["uid"]] = body
            return 200, body
        if words[0] not in self.folders:
            return 404, {"message": "folder not found", "status": "not-found"}
        if method == "DELETE":
            self.dashboards = {uid: one for uid, one in self.dashboards.items() if one[1] != words[0]}
            return 200, {"message": "Folder deleted", "id": 1, "title": self.folders.pop(words[0])["title"]}
        return 200, self.folders[words[0]]

    def dashboard(self, method, words, body):
        if method == "POST":
            one = body["dashboard"]
            if one["uid"] in self.provisioned:
                return 400, {"message": "Cannot save provisioned dashboard"}
            if body["folderUid"] not in self.folders:
                return 404, {"message": "folder not found", "status": "not-found"}
            if one["uid"] in self.dashboards and not body["overwrite"]:
                return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
            self.dashboards[one["uid"]] = (one, body["folderUid"])
            return 200, {"id": 1, "uid": one["uid"], "url": f"/d/{one['uid']}/x", "status": "success", "version": 1}
        if words[1] not in self.dashboards:
            return 404, {"message": "Dashboard not found"}
        title = self.dashboards.pop(words[1])[0]["title"]
        return 200, {"title": title, "message": f"Dashboard {title} deleted", "id": 1}
