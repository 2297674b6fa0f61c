#include "app/grafana_command.h"

#include <fmt/format.h>

#include <array>
#include <memory>
#include <string>

#include "base/json.h"
#include "grafana_files.h"
#include "io/http.h"
#include "net/http_client.h"

namespace hs::app {
namespace {

using json::Json;

constexpr std::string_view uid = "homeostat";  // of the folder and of the data source: what the dashboards refer to
constexpr std::array<std::string_view, 5> dashboards = {home_json, kpis_json, service_json, changes_json, itself_json};
constexpr size_t answer_bytes_max = 8UL << 20;  // a dashboard as it is kept; ours are a hundredth of it

struct Options {
  std::string url, token, homeostat = "http://127.0.0.1:4319";
};

struct Answer {
  int status = 0;
  Json body;
};

// Grafana's HTTP API, https://grafana.com/docs/grafana/latest/developer-resources/api-reference/http-api/
class Grafana {
 public:
  static Result<Grafana> at(const std::string& url, const std::string& token) {
    HS_ASSIGN(io::Url parsed, io::parse_url(url));
    while (parsed.target.ends_with('/')) parsed.target.pop_back();  // Grafana may be served below a path
    return Grafana(std::move(parsed), token);
  }

  // 2xx and 404 are answers; everything else is an error that says what to do.
  Result<Answer> ask(const std::string& method, const std::string& path, const Json& body = nullptr) {
    const std::string text = body.is_null() ? "" : json::dump(body);
    io::HttpRequest request{.method = method, .target = url_.target + path, .body = text};
    request.headers.set("Authorization", "Bearer " + token_);
    request.headers.set("Accept", "application/json");
    if (!text.empty()) request.headers.set("Content-Type", "application/json");
    const auto answer = http_->request(url_.endpoint, request, {.body_bytes_max = answer_bytes_max});
    if (!answer)
      return fail(answer.error().code, fmt::format("no answer from Grafana at {}: {}; is --url its address?",
                                                   url_.endpoint.text(), answer.error().message));
    Answer out{answer->status, Json::parse(answer->body, nullptr, false)};
    if (out.status / 100 == 2 && out.body.is_discarded())
      return fail(Code::internal, fmt::format("{} {} answers, but not as Grafana does; is --url its address?",
                                              url_.endpoint.text(), path));
    if (out.status / 100 == 2 || out.status == 404) return out;
    return fail(Code::conflict, fmt::format("{} {}: Grafana answers {}{}{}", method, path, out.status, said(out.body),
                                            what_to_do(out)));
  }

 private:
  Grafana(io::Url url, std::string token) : url_(std::move(url)), token_(std::move(token)) {}

  static std::string said(const Json& body) {
    const auto message = json::text(body, "message");
    return message ? fmt::format(" ({})", *message) : "";
  }
  static std::string what_to_do(const Answer& answer) {
    const std::string message = said(answer.body);
    if (answer.status == 401) return "; the token is wrong or has expired: make one for a service account";
    if (answer.status == 403) return "; the token's service account needs the role Admin of its organisation";
    if (answer.status == 301 || answer.status == 302 || answer.status == 307 || answer.status == 308)
      return "; give the address that it redirects to as --url";
    if (message.find("provisioned") != message.npos || message.find("readonly") != message.npos ||
        message.find("read-only") != message.npos)
      return "; it comes from provisioning files: remove them there, or update them instead";
    if (answer.status == 409 || answer.status == 412)
      return "; something else has this name or uid: rename or remove it, then install again";
    return "";
  }

  io::Url url_;
  std::string token_;
  std::unique_ptr<net::HttpClient> http_ = std::make_unique<net::HttpClient>();
};

void say(std::string_view what, std::string_view happened) { fmt::print("{}: {}\n", what, happened); }

Status install_source(Grafana& grafana, const std::string& homeostat) {
  const Json source = {
      {"uid", uid},
      {"name", "Homeostat"},
      {"type", "prometheus"},
      {"access", "proxy"},
      {"url", homeostat + "/prometheus"},
      {"jsonData", {{"httpMethod", "POST"}, {"prometheusType", "Prometheus"}, {"timeInterval", "15s"}}}};
  const std::string path = fmt::format("/api/datasources/uid/{}", uid);
  HS_ASSIGN(const Answer known, grafana.ask("GET", path));
  if (known.status == 404) {
    HS_ASSIGN(const Answer made, grafana.ask("POST", "/api/datasources", source));
    if (made.status == 404) return fail(Code::not_found, "POST /api/datasources: 404; is --url Grafana's address?");
    say("data source Homeostat", "made");
    return {};
  }
  if (json::text(known.body, "type").value_or("") != "prometheus")
    return fail(Code::conflict, fmt::format("the data source of uid `{}` is not a Prometheus one; it is not ours: "
                                            "change its uid or remove it",
                                            uid));
  HS_TRY(grafana.ask("PUT", path, source));
  say("data source Homeostat", "updated");
  return {};
}

Status install_folder(Grafana& grafana) {
  HS_ASSIGN(const Answer known, grafana.ask("GET", fmt::format("/api/folders/{}", uid)));
  if (known.status != 404) return {};
  HS_TRY(grafana.ask("POST", "/api/folders", {{"uid", uid}, {"title", "Homeostat"}}));
  say("folder Homeostat", "made");
  return {};
}

Result<Json> dashboard_of(std::string_view text) { return json::parse(text, "a dashboard of this binary"); }

Status install_dashboards(Grafana& grafana) {
  for (const std::string_view text : dashboards) {
    HS_ASSIGN(Json dashboard, dashboard_of(text));
    const std::string title(json::text(dashboard, "title").value_or(""));
    dashboard["id"] = nullptr;  // known by its uid
    HS_ASSIGN(const Answer saved, grafana.ask("POST", "/api/dashboards/db",
                                              {{"dashboard", std::move(dashboard)},
                                               {"folderUid", uid},
                                               {"overwrite", true},
                                               {"message", "homeostat grafana install"}}));
    if (saved.status == 404) return fail(Code::not_found, "POST /api/dashboards/db: the folder is gone; try again");
    say(title, json::text(saved.body, "url").value_or("saved"));
  }
  return {};
}

// Grafana itself asks the data source: what it reaches is what matters, not what we reach.
void check_source(Grafana& grafana, const std::string& homeostat) {
  const auto health = grafana.ask("GET", fmt::format("/api/datasources/uid/{}/health", uid));
  if (health && health->status == 200 && json::text(health->body, "status").value_or("") == "OK") return;
  const std::string why =
      health ? std::string(json::text(health->body, "message").value_or("no answer")) : health.error().message;
  fmt::print(stderr, "Grafana does not get an answer from Homeostat at {} ({}); give --homeostat as Grafana sees it\n",
             homeostat, why);
}

Status install(const Options& options) {
  HS_ASSIGN(Grafana grafana, Grafana::at(options.url, options.token));
  std::string homeostat = options.homeostat;
  while (homeostat.ends_with('/')) homeostat.pop_back();
  HS_TRY(install_source(grafana, homeostat));
  HS_TRY(install_folder(grafana));
  HS_TRY(install_dashboards(grafana));
  check_source(grafana, homeostat);
  return {};
}

Status remove(Grafana& grafana, const std::string& what, const std::string& path) {
  HS_ASSIGN(const Answer gone, grafana.ask("DELETE", path));
  say(what, gone.status == 404 ? "was not there" : "removed");
  return {};
}

// What somebody else put into the folder is theirs.
Status remove_folder(Grafana& grafana) {
  HS_ASSIGN(const Answer inside, grafana.ask("GET", fmt::format("/api/search?folderUIDs={}&limit=10", uid)));
  if (!inside.body.is_array() || inside.body.empty())
    return remove(grafana, "folder Homeostat", fmt::format("/api/folders/{}", uid));
  say("folder Homeostat", "stays: there are dashboards in it that are not ours");
  return {};
}

Status uninstall(const Options& options) {
  HS_ASSIGN(Grafana grafana, Grafana::at(options.url, options.token));
  for (const std::string_view text : dashboards) {
    HS_ASSIGN(const Json dashboard, dashboard_of(text));
    const std::string title(json::text(dashboard, "title").value_or(""));
    HS_TRY(remove(grafana, title, fmt::format("/api/dashboards/uid/{}", json::text(dashboard, "uid").value_or(""))));
  }
  HS_TRY(remove_folder(grafana));
  return remove(grafana, "data source Homeostat", fmt::format("/api/datasources/uid/{}", uid));
}

}  // namespace

void add_grafana(CLI::App& app, int& code) {
  auto options = std::make_shared<Options>();
  CLI::App* grafana = app.add_subcommand("grafana", "data source and dashboards in a running Grafana");
  grafana->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, Status (*what)(const Options&)) {
    CLI::App* command = grafana->add_subcommand(name, help);
    command->add_option("--url", options->url, "Grafana's address, http://HOST:PORT[/PATH]")->required();
    command->add_option("--token", options->token, "of a service account with the role Admin; or in GRAFANA_TOKEN")
        ->envname("GRAFANA_TOKEN")
        ->required();
    command->callback([options, &code, what] {
      const Status done = what(*options);
      if (!done) fmt::print(stderr, "{}\n", done.error().message);
      code = done ? 0 : 1;
    });
    return command;
  };
  add("install", "make or update them; again is harmless", install)
      ->add_option("--homeostat", options->homeostat, "Homeostat's address (listen.http) as Grafana reaches it")
      ->capture_default_str();
  add("uninstall", "remove what install made", uninstall);
}

}  // namespace hs::app
