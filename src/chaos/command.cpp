#include "chaos/command.h"

#include <fmt/format.h>

#include "base/text.h"
#include "base/time.h"
#include "chaos/experiment.h"
#include "chaos/remote_faults.h"
#include "chaos/runner.h"
#include "io/files.h"

namespace hs::chaos {
namespace {

using json::Json;

constexpr int done = 0, not_so = 1, wrong_file = 2;

int complain(const CommandContext& context, int code, std::string_view message) {
  context.complain(message);
  return code;
}

Result<Experiment> read_experiment(const CommandContext& context, const std::string& path, const HostList& hosts,
                                   const Result<std::vector<config::Proxy>>& proxies) {
  HS_ASSIGN(const std::string text, io::read_file(path, experiment_bytes_max));
  ExperimentContext reading{hosts, {}, proxies.has_value(), context.environment};
  if (proxies) reading.proxies = *proxies;
  return parse_experiment(text, reading);
}

}  // namespace

int run_file(const CommandContext& context, const std::string& path, const std::string& journal_path) {
  RemoteFaults faults(context.server_http, context.server, context.token);
  const auto proxies = faults.proxies();
  if (!proxies) return complain(context, not_so, proxies.error().message);
  const auto hosts = HostList::parse(context.hosts);
  if (!hosts) return complain(context, wrong_file, hosts.error().message);
  const auto experiment = read_experiment(context, path, *hosts, proxies);
  if (!experiment) return complain(context, wrong_file, experiment.error().message);
  const Json journal = run(*experiment, {context.http, context.clock, faults, context.pause, context.say});
  const Status kept = io::replace_file(journal_path, journal.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
                                       0644, io::Durable::content);
  if (!kept) return complain(context, not_so, kept.error().message);
  context.say(fmt::format("journal: {}", journal_path));
  return journal["status"] == "completed" && journal["deviated"] == false ? done : not_so;
}

int validate_file(const CommandContext& context, const std::string& path) {
  const auto proxies = RemoteFaults(context.server_http, context.server, context.token).proxies();
  const auto hosts = HostList::parse(context.hosts);
  if (!hosts) return complain(context, wrong_file, hosts.error().message);
  const auto experiment = read_experiment(context, path, *hosts, proxies);
  if (!experiment) return complain(context, wrong_file, experiment.error().message);
  for (const std::string& note : experiment->notes) context.say("note: " + note);
  if (!proxies) context.say(fmt::format("note: proxies are not checked: {}", proxies.error().message));
  context.say(fmt::format("valid: {} ({} activities, {} probes of the steady state, {} rollbacks)", experiment->title,
                          experiment->method.size(), experiment->hypothesis.size(), experiment->rollbacks.size()));
  return done;
}

int list_faults(const CommandContext& context) {
  const auto answer = RemoteFaults(context.server_http, context.server, context.token).list();
  if (!answer) return complain(context, not_so, answer.error().message);
  const Json* list = json::find(*answer, "faults");
  if (list == nullptr || list->empty()) context.say("no fault is on");
  for (const Json& fault : list != nullptr ? *list : Json::array())
    context.say(fmt::format("{}  {} on {}, {} left", printable(json::text(fault, "id").value_or("?"), 64),
                            printable(json::text(fault, "kind").value_or("?"), 64),
                            printable(json::text(fault, "proxy").value_or("?"), 200),
                            format_duration_ms(json::integer(fault, "left_ms").value_or(0))));
  return done;
}

int clear_faults(const CommandContext& context) {
  const auto answer = RemoteFaults(context.server_http, context.server, context.token).clear_all();
  if (!answer) return complain(context, not_so, answer.error().message);
  context.say(fmt::format("cleared {}", json::integer(*answer, "cleared").value_or(0)));
  return done;
}

}  // namespace hs::chaos
