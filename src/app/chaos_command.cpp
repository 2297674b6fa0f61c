#include "app/chaos_command.h"

#include <fmt/format.h>

#include <cstdlib>
#include <memory>

#include "app/listeners.h"
#include "app/signals.h"
#include "chaos/command.h"
#include "io/clock.h"
#include "io/files.h"
#include "net/http_client.h"
#include "net/tls_client.h"

namespace hs::app {
namespace {

constexpr size_t token_bytes_max = 4096;

struct Options {
  std::string file, journal = "journal.json";
};

// Who to talk through. The server is this machine's own listener, known by its address and not by its name: over TLS no
// more is verified than over plain HTTP.
struct Clients {
  net::HttpClient plain;
  net::TlsClient own{{.insecure_skip_verify = true}};
};

Result<chaos::CommandContext> context(const Common& common, Clients& clients, Signals& signals) {
  HS_ASSIGN(const std::shared_ptr<const config::Snapshot> loaded, common.load());
  const config::Settings& settings = loaded->settings;
  io::Http& plain = clients.plain;
  HS_ASSIGN(io::Endpoint server, io::parse_endpoint(settings.text("listen.http")));
  const auto token = io::read_file(settings.text("data") + "/token", token_bytes_max);
  if (!token)
    return fail(
        Code::unauthenticated,
        fmt::format("cannot read {}/token; give the --data of the running `homeostat serve`", settings.text("data")));
  return chaos::CommandContext{.http = plain,
                               .server_http = scheme_of(settings, "http") == "https" ? clients.own : plain,
                               .clock = io::system_clock(),
                               .server = std::move(server),
                               .token = token->substr(0, token->find_last_not_of("\n ") + 1),
                               .hosts = settings.list("chaos.hosts"),
                               .environment = [](const std::string& name) -> std::optional<std::string> {
                                 const char* value = std::getenv(name.c_str());
                                 return value == nullptr ? std::nullopt : std::optional<std::string>(value);
                               },
                               .pause = [&signals](int64_t ms) { return signals.wait(static_cast<int>(ms)) == 0; },
                               .say = [](std::string_view line) { fmt::print("{}\n", line); },
                               .complain = [](std::string_view line) { fmt::print(stderr, "{}\n", line); }};
}

template <class F>
int with_context(const Common& common, F f) {
  Signals signals;
  Clients clients;
  const auto made = context(common, clients, signals);
  if (made) return f(*made);
  fmt::print(stderr, "{}\n", made.error().message);
  return 2;
}

}  // namespace

void add_chaos(CLI::App& app, Common& common, int& code) {
  auto options = std::make_shared<Options>();
  CLI::App* chaos = app.add_subcommand("chaos", "experiments and faults of a running Homeostat (chaos.enabled)");
  chaos->require_subcommand(1);
  const auto add = [&](const char* name, const char* help, bool has_file) {
    CLI::App* command = chaos->add_subcommand(name, help);
    command->add_option("--data", common.data, "data directory of the running serve")->type_name("DIR");
    command->add_option("--config", common.source.file, "its configuration")->type_name("FILE");
    command->add_option("--set", common.source.overrides, "key=value, as it was given to serve")
        ->allow_extra_args(false);
    if (has_file) command->add_option("FILE", options->file, "the experiment")->required();
    return command;
  };
  CLI::App* run = add("run", "run an experiment in Chaos Toolkit's format; its faults end whatever happens", true);
  run->add_option("--journal", options->journal, "where the journal is written")->type_name("FILE");
  run->callback([&common, &code, options] {
    code = with_context(common, [&](const auto& c) { return chaos::run_file(c, options->file, options->journal); });
  });
  add("validate", "check an experiment", true)->callback([&common, &code, options] {
    code = with_context(common, [&](const auto& c) { return chaos::validate_file(c, options->file); });
  });
  add("faults", "list the faults that are on", false)->callback([&common, &code] {
    code = with_context(common, [](const auto& c) { return chaos::list_faults(c); });
  });
  add("clear", "end all faults", false)->callback([&common, &code] {
    code = with_context(common, [](const auto& c) { return chaos::clear_faults(c); });
  });
}

}  // namespace hs::app
