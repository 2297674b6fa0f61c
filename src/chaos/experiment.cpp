#include "chaos/experiment.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "base/text.h"
#include "chaos/variables.h"

namespace hs::chaos {
namespace {

using json::Json;

constexpr size_t problems_max = 50;  // a document that is wrong in more places is another kind of document
constexpr double seconds_max = static_cast<double>(pause_max_ms) / 1000;

// How deep brackets nest, outside of texts. Everything that walks a document recurses so deep.
size_t nesting_of(std::string_view text) {
  size_t depth = 0, deepest = 0;
  bool in_text = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_text && c == '\\')
      ++i;
    else if (c == '"')
      in_text = !in_text;
    else if (!in_text && (c == '{' || c == '['))
      deepest = std::max(deepest, ++depth);
    else if (!in_text && (c == '}' || c == ']') && depth > 0)
      --depth;
  }
  return deepest;
}

class Parser {
 public:
  explicit Parser(const ExperimentContext& context) : context_(context) {}

  Experiment read(Json document) {
    Experiment out;
    out.source = document;
    if (!document.is_object()) {
      problem("", "an experiment is a JSON object");
      return out;
    }
    fill_in_variables(document);
    out.title = required_text(document, "title");
    out.description = required_text(document, "description");
    if (document.contains("secrets") && !document["secrets"].empty())
      problem("secrets", "not supported; put what is not secret into configuration");
    if (document.contains("controls") && !document["controls"].empty())
      problem("controls", "not supported: they are python code");
    read_hypothesis(document, out);
    read_list(document, "method", true, out.method);
    read_list(document, "rollbacks", false, out.rollbacks);
    read_extensions(document, out);
    read_runtime(document, out);
    return out;
  }
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  void problem(std::string_view where, std::string_view what) {
    if (problems_.size() < problems_max)
      problems_.push_back(where.empty() ? std::string(what) : fmt::format("{}: {}", where, what));
  }
  void fill_in_variables(Json& document);
  std::string required_text(const Json& document, const char* name);
  void read_hypothesis(const Json& document, Experiment& out);
  void read_list(const Json& document, const char* name, bool required, std::vector<Activity>& out);
  void read_activities(const Json& list, const std::string& where, std::vector<Activity>& out);
  void read_checked_probes(const Json& list, const std::string& where, std::vector<Activity>& out);
  std::optional<Activity> read_activity(const Json& written, const std::string& where);
  std::optional<Activity> read_ref(const Json& written, const std::string& where);
  void read_pauses(const Json& written, const std::string& where, Activity& out);
  std::optional<Provider> read_provider(const Json& written, const std::string& where, bool is_probe);
  std::optional<Provider> read_http(const Json& provider, const std::string& where);
  void read_http_request(const Json& provider, const std::string& where, HttpCall& out);
  void read_arguments(const Json& arguments, const std::string& where, HttpCall& out);
  void read_expected_status(const Json& expected, const std::string& where, HttpCall& out);
  std::optional<Provider> read_own(const Json& provider, const std::string& where);
  void read_extensions(const Json& document, Experiment& out);
  void read_runtime(const Json& document, Experiment& out);
  int64_t read_seconds(const Json& value, const std::string& where, int64_t fallback_ms);

  const ExperimentContext& context_;
  std::vector<std::string> problems_;
  std::map<std::string, Activity, std::less<>> named_;  // for {"ref": name}
};

void Parser::fill_in_variables(Json& document) {
  const Json configuration = document.value("configuration", Json());
  const Variables variables = read_variables(configuration, context_.environment, problems_);
  size_t budget = filled_in_bytes_max;
  for (auto& [key, value] : document.items())
    if (key != "configuration" && key != "secrets") substitute(value, variables, budget, problems_);
}

std::string Parser::required_text(const Json& document, const char* name) {
  const auto text = json::text(document, name);
  if (!text || text->empty()) problem(name, "required, a text");
  return printable(text.value_or(""), 2'000);
}

void Parser::read_hypothesis(const Json& document, Experiment& out) {
  const Json* hypothesis = json::find(document, "steady-state-hypothesis");
  if (hypothesis == nullptr) {
    out.notes.emplace_back("no steady-state-hypothesis: the experiment runs, and can prove nothing");
    return;
  }
  out.hypothesis_title = printable(json::text(*hypothesis, "title").value_or(""), 2'000);
  if (out.hypothesis_title.empty()) problem("steady-state-hypothesis.title", "required, a text");
  const Json* probes = json::find(*hypothesis, "probes");
  if (probes == nullptr) return problem("steady-state-hypothesis.probes", "required, a list");
  read_checked_probes(*probes, "steady-state-hypothesis.probes", out.hypothesis);
}

void Parser::read_checked_probes(const Json& list, const std::string& where, std::vector<Activity>& out) {
  read_activities(list, where, out);
  for (const Activity& activity : out)
    if (!activity.is_probe || !activity.tolerance)
      problem(where, fmt::format("'{}' must be a probe with a tolerance", activity.name));
}

void Parser::read_list(const Json& document, const char* name, bool required, std::vector<Activity>& out) {
  const Json* list = json::find(document, name);
  if (list != nullptr) return read_activities(*list, name, out);
  if (required) problem(name, "required, a list of activities (it may be empty)");
}

void Parser::read_activities(const Json& list, const std::string& where, std::vector<Activity>& out) {
  if (!list.is_array()) return problem(where, "takes a list of activities");
  if (list.size() > activities_max) return problem(where, fmt::format("at most {} activities", activities_max));
  for (size_t i = 0; i < list.size(); ++i)
    if (auto activity = read_activity(list[i], fmt::format("{}[{}]", where, i))) out.push_back(std::move(*activity));
}

std::optional<Activity> Parser::read_ref(const Json& written, const std::string& where) {
  const std::string name(json::text(written, "ref").value_or(""));
  const auto found = named_.find(name);
  if (found != named_.end()) return found->second;
  problem(where, fmt::format("ref '{}' names no activity that stands before it", printable(name, 64)));
  return std::nullopt;
}

std::optional<Activity> Parser::read_activity(const Json& written, const std::string& where) {
  if (!written.is_object()) {
    problem(where, "an activity is an object");
    return std::nullopt;
  }
  if (written.contains("ref")) return read_ref(written, where);
  Activity out;
  out.source = written;
  out.name = printable(json::text(written, "name").value_or(""), 200);
  if (out.name.empty()) problem(where, "needs a name");
  const std::string_view type = json::text(written, "type").value_or("");
  if (type != "probe" && type != "action") problem(where, "its type is probe or action");
  out.is_probe = type == "probe";
  if (written.value("background", Json(false)) != Json(false))
    problem(where, "background is not supported: a fault of ours lasts as long as its lease, beside what follows it");
  if (written.contains("controls")) problem(where, "controls are not supported: they are python code");
  read_pauses(written, where, out);
  if (const Json* tolerance = json::find(written, "tolerance")) {
    auto parsed = Tolerance::parse(*tolerance);
    if (!parsed)
      problem(where, parsed.error().message);
    else
      out.tolerance = std::move(*parsed);
  }
  auto provider = read_provider(written, where, out.is_probe);
  if (!provider) return std::nullopt;
  out.provider = std::move(*provider);
  named_.insert_or_assign(out.name, out);
  return out;
}

int64_t Parser::read_seconds(const Json& value, const std::string& where, int64_t fallback_ms) {
  if (!value.is_number() || !(value.get<double>() >= 0) || value.get<double>() > seconds_max) {
    problem(where, fmt::format("takes seconds from 0 to {}", pause_max_ms / 1000));
    return fallback_ms;
  }
  return std::llround(value.get<double>() * 1000);
}

void Parser::read_pauses(const Json& written, const std::string& where, Activity& out) {
  const Json* pauses = json::find(written, "pauses");
  if (pauses == nullptr) return;
  if (const Json* before = json::find(*pauses, "before"))
    out.pause_before_ms = read_seconds(*before, where + ".pauses.before", 0);
  if (const Json* after = json::find(*pauses, "after"))
    out.pause_after_ms = read_seconds(*after, where + ".pauses.after", 0);
}

std::optional<Provider> Parser::read_provider(const Json& written, const std::string& where, bool is_probe) {
  const Json* provider = json::find(written, "provider");
  const std::string_view type = provider != nullptr ? json::text(*provider, "type").value_or("") : "";
  if (type == "http") return read_http(*provider, where + ".provider");
  if (type == "homeostat" && !is_probe) return read_own(*provider, where + ".provider");
  if (type == "homeostat")
    problem(where, "the provider homeostat has actions only; probe with http");
  else if (type == "process" || type == "python")
    problem(where,
            fmt::format("the provider '{}' runs code on this machine and is refused; use http or homeostat", type));
  else
    problem(where, fmt::format("needs a provider of type http or homeostat{}",
                               type.empty() ? "" : fmt::format(", not '{}'", printable(type, 64))));
  return std::nullopt;
}

std::optional<Provider> Parser::read_http(const Json& provider, const std::string& where) {
  HttpCall out;
  auto url = io::parse_url(json::text(provider, "url").value_or(""));
  if (!url) {
    problem(where + ".url", url.error().message);
    return std::nullopt;
  }
  out.url = std::move(*url);
  if (!out.url.endpoint.unix_path.empty()) problem(where + ".url", "takes http://host:port/path");
  if (const Status allowed = context_.hosts.allows(out.url.endpoint); !allowed)
    problem(where + ".url", allowed.error().message);
  read_http_request(provider, where, out);
  return out;
}

void Parser::read_http_request(const Json& provider, const std::string& where, HttpCall& out) {
  constexpr std::array<std::string_view, 7> methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
  out.method = json::text(provider, "method").value_or("GET");
  if (std::find(methods.begin(), methods.end(), out.method) == methods.end())
    problem(where + ".method", fmt::format("one of {}", fmt::join(methods, ", ")));
  if (const Json* headers = json::find(provider, "headers"); headers != nullptr && headers->is_object()) {
    for (const auto& [name, value] : headers->items())
      out.headers.set(name, value.is_string() ? value.get<std::string>() : json::dump(value));
  } else if (headers != nullptr) {
    problem(where + ".headers", "takes an object");
  }
  if (const Json* arguments = json::find(provider, "arguments")) read_arguments(*arguments, where + ".arguments", out);
  if (const Json* expected = json::find(provider, "expected_status"))
    read_expected_status(*expected, where + ".expected_status", out);
  const Json* timeout = json::find(provider, "timeout");
  if (timeout == nullptr) return;
  int64_t total = 0;  // one number, or [connect, read]
  for (const Json& part : timeout->is_array() ? *timeout : Json::array({*timeout}))
    total += read_seconds(part, where + ".timeout", http_timeout_default_ms);
  out.timeout_ms = std::clamp<int64_t>(total, 1, http_timeout_max_ms);
}

void Parser::read_arguments(const Json& arguments, const std::string& where, HttpCall& out) {
  if (!arguments.is_object()) return problem(where, "takes an object");
  if (out.method != "GET" && out.method != "HEAD") {
    out.body = json::dump(arguments);
    out.headers.set("Content-Type", "application/json");
    return;
  }
  for (const auto& [name, value] : arguments.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : json::dump(value);
    out.url.target += out.url.target.find('?') == std::string::npos ? '?' : '&';
    out.url.target += http::url_encode(name) + "=" + http::url_encode(text);
  }
}

void Parser::read_expected_status(const Json& expected, const std::string& where, HttpCall& out) {
  for (const Json& one : expected.is_array() ? expected : Json::array({expected})) {
    if (!one.is_number_integer()) return problem(where, "takes a status or a list of them");
    out.expected_status.push_back(one.get<int64_t>());
  }
}

std::optional<Provider> Parser::read_own(const Json& provider, const std::string& where) {
  if (const Json* clear = json::find(provider, "clear")) {
    const std::string proxy = clear->is_string() ? clear->get<std::string>() : "";
    if (proxy.empty()) problem(where + ".clear", "takes the name of a proxy, or \"all\"");
    return ClearFaults{proxy == "all" ? "" : proxy};
  }
  Json fields = provider;
  fields.erase("type");
  if (fields.contains("fault")) {
    fields["kind"] = fields["fault"];
    fields.erase("fault");
  }
  auto fault = parse_fault(fields);
  if (!fault) {
    problem(where, fault.error().message);
    return std::nullopt;
  }
  const Status fits = context_.check_proxies ? check(*fault, context_.proxies) : Status();
  if (!fits) problem(where, fits.error().message);
  return InjectFault{std::move(*fault)};
}

void Parser::read_extensions(const Json& document, Experiment& out) {
  const Json* extensions = json::find(document, "extensions");
  if (extensions == nullptr) return;
  if (!extensions->is_array()) return problem("extensions", "takes a list");
  for (const Json& extension : *extensions) {
    if (json::text(extension, "name") != "homeostat") continue;  // somebody else's
    if (const Json* guards = json::find(extension, "guards"))
      read_checked_probes(*guards, "extensions.homeostat.guards", out.guards);
    if (const Json* every = json::find(extension, "check_every"))
      out.check_every_ms =
          std::max<int64_t>(100, read_seconds(*every, "extensions.homeostat.check_every", check_every_default_ms));
  }
}

void Parser::read_runtime(const Json& document, Experiment& out) {
  const Json runtime = document.value("runtime", Json::object());
  const Json* rollbacks = json::find(runtime, "rollbacks");
  const auto keep = rollbacks != nullptr ? json::text(*rollbacks, "strategy") : std::nullopt;
  if (keep && *keep != "always")
    out.notes.push_back(
        fmt::format("runtime.rollbacks.strategy '{}': rollbacks always run here", printable(*keep, 64)));
  const Json* hypothesis = json::find(runtime, "hypothesis");
  if (hypothesis == nullptr) return;
  const std::string strategy(json::text(*hypothesis, "strategy").value_or("default"));
  const std::array<std::string_view, 5> known = {"default", "before-method-only", "after-method-only",
                                                 "during-method-only", "continuously"};
  if (std::find(known.begin(), known.end(), strategy) == known.end())
    problem("runtime.hypothesis.strategy", fmt::format("one of {}", fmt::join(known, ", ")));
  out.check_before = strategy != "after-method-only" && strategy != "during-method-only";
  out.check_during = strategy == "during-method-only" || strategy == "continuously";
  out.check_after = strategy != "before-method-only" && strategy != "during-method-only";
  out.fail_fast = json::boolean(*hypothesis, "fail_fast").value_or(false);
  if (const Json* every = json::find(*hypothesis, "frequency"))
    out.check_every_ms =
        std::max<int64_t>(100, read_seconds(*every, "runtime.hypothesis.frequency", check_every_default_ms));
}

}  // namespace

Result<Experiment> parse_experiment(std::string_view text, const ExperimentContext& context) {
  if (text.size() > experiment_bytes_max)
    return fail(Code::too_large, fmt::format("an experiment has at most {} bytes", experiment_bytes_max));
  if (nesting_of(text) > nesting_max)
    return fail(Code::invalid_argument, fmt::format("an experiment nests at most {} levels", nesting_max));
  HS_ASSIGN(Json document, json::parse(text, "the experiment"));
  Parser parser(context);
  Experiment out = parser.read(std::move(document));
  if (parser.problems().empty()) return out;
  const size_t shown = std::min(parser.problems().size(), problems_max);
  return fail(Code::invalid_argument,
              fmt::format("{}", fmt::join(parser.problems().begin(), parser.problems().begin() + shown, "\n")));
}

}  // namespace hs::chaos
