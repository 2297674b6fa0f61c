// The table of contents: what the binary can do.

#include <CLI/CLI.hpp>

#include "app/agent.h"
#include "app/chaos_command.h"
#include "app/commands.h"
#include "app/engine_command.h"
#include "app/grafana_command.h"
#include "app/ledger_command.h"
#include "app/rules_command.h"
#include "app/serve.h"
#include "app/values_process.h"

namespace {

using hs::app::Common;

void add_common(CLI::App& command, Common& common) {
  command.add_option("--config", common.source.file, "YAML file; every key is optional")->type_name("FILE");
  command.add_option("--data", common.data, "directory of everything that is kept (default: homeostat-data)")
      ->type_name("DIR");
  command.add_option("--set", common.source.overrides, "key=value: overrides any key of the file; may be repeated")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Homeostat records an application's telemetry, finds what is wrong and repairs it by configuration."};
  app.name("homeostat");
  app.require_subcommand(1);
  Common common;
  int code = 0;

  CLI::App* serve = app.add_subcommand("serve", "record telemetry, answer queries, repair incidents");
  add_common(*serve, common);
  serve->add_flag("--insecure-bind", common.insecure_bind, "listen beyond loopback without credentials");
  serve->callback([&] { code = hs::app::serve(common); });

  CLI::App* agent =
      app.add_subcommand("agent", "receive telemetry near its senders, keep it on disk, forward it by OTLP");
  add_common(*agent, common);
  agent->add_flag("--insecure-bind", common.insecure_bind, "listen beyond loopback without credentials");
  agent->footer(std::string(hs::app::agent_help));
  agent->callback([&] { code = hs::app::agent(common); });

  CLI::App* values = app.add_subcommand("values", "serve knob values over OFREP; `serve` starts one when none runs");
  add_common(*values, common);
  values->callback([&] { code = hs::app::values(common); });

  hs::app::add_ledger(app, common, code);
  hs::app::add_chaos(app, common, code);
  hs::app::add_rules(app, code);
  hs::app::add_grafana(app, code);

  bool reference = false;
  CLI::App* check = app.add_subcommand("check-config", "check a configuration, or print the reference of all keys");
  add_common(*check, common);
  check->add_flag("--reference", reference, "print the reference page in Markdown");
  check->callback([&] { code = hs::app::check_config(common, reference); });

  std::string listen;
  bool child = false;
  CLI::App* engine = app.add_subcommand("engine", "the storage engine; `serve` starts one by itself");
  add_common(*engine, common);
  engine->add_option("--listen", listen, "TCP address for ClickHouse clients, besides the socket (password: the token)")
      ->type_name("HOST:PORT");
  engine->add_flag("--child", child, "end with the parent and with standard input");
  engine->callback([&] { code = hs::app::engine(common, listen, child); });

  CLI::App* version = app.add_subcommand("version", "print the version");
  version->callback([&] { code = hs::app::version(); });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  return code;
}
