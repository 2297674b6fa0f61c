#include "config/scrape_section.h"

#include <re2/re2.h>

#include "config/fields.h"
#include "config/scrape_groups.h"
#include "config/settings.h"

namespace hs::config {
namespace {

using namespace fields;

constexpr size_t jobs_max = 1'000;     // each is looked at by the discovery's thread
constexpr size_t groups_max = 50'000;  // of a document of service discovery

constexpr std::string_view relabel_actions[] = {"replace",   "keep",      "drop",     "keepequal",
                                                "dropequal", "hashmod",   "labelmap", "labeldrop",
                                                "labelkeep", "lowercase", "uppercase"};

// Prometheus' durations: "1h30m", "15s", "500ms"; "0".
template <class T>
auto span_of_time(int64_t T::* member) {
  return [=](T& out, const YAML::Node& node) -> Status {
    HS_ASSIGN(const std::string written, text_of(node));
    std::string_view rest = written;
    int64_t total = 0;
    do {
      const size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
      const size_t end = std::min(rest.find_first_of("0123456789", digits), rest.size());
      HS_ASSIGN(const int64_t part, parse_duration_ms(rest.substr(0, end)));
      if (__builtin_add_overflow(total, part, &total)) return fail(Code::invalid_argument, "is too long");
      rest.remove_prefix(end);
    } while (!rest.empty());
    out.*member = total;
    return {};
  };
}

template <class T>
auto count(uint64_t T::* member) {
  return [=](T& out, const YAML::Node& node) -> Status {
    if (!YAML::convert<uint64_t>::decode(node, out.*member) || node.Scalar().starts_with('-'))
      return fail(Code::invalid_argument, "takes a whole number from 0 on");
    return {};
  };
}

template <class T>
auto size(int64_t T::* member) {
  return [=](T& out, const YAML::Node& node) -> Status {
    HS_ASSIGN(const std::string written, text_of(node));
    HS_ASSIGN(out.*member, parse_bytes(written));
    return {};
  };
}

Status read_labels(LabelMap& out, const YAML::Node& node) {
  if (node.IsNull()) return {};
  if (!node.IsMap()) return fail(Code::invalid_argument, "takes a mapping of names to values");
  for (const auto& entry : node) {
    HS_ASSIGN(std::string value, text_of(entry.second));
    out[entry.first.Scalar()] = std::move(value);
  }
  return {};
}

const std::vector<Field<TargetGroup>>& group_fields() {
  static const std::vector<Field<TargetGroup>> table = {
      {"targets", "list of host:port", true, "what is scraped", texts(&TargetGroup::targets)},
      {"labels", "mapping", false, "labels of all of them",
       [](TargetGroup& g, const YAML::Node& n) { return read_labels(g.labels, n); }},
  };
  return table;
}

const std::vector<Field<RelabelRule>>& relabel_fields() {
  using R = RelabelRule;
  static const std::vector<Field<R>> table = {
      {"source_labels", "list", false, "whose values are joined", texts(&R::source_labels)},
      {"separator", "text", false, "between them; default `;`", text(&R::separator)},
      {"regex", "RE2", false, "what they must match, whole; default `(.*)`", text(&R::regex)},
      {"modulus", "number", false, "hashmod: by what the hash is divided", count(&R::modulus)},
      {"target_label", "text", false, "what is set or compared", text(&R::target_label)},
      {"replacement", "text", false, "the new value; `$1` or `${name}` is a group; default `$1`",
       text(&R::replacement)},
      {"action",
       "replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase",
       false, "default replace", choice(&R::action, relabel_actions)},
  };
  return table;
}

const std::vector<Field<TlsConfig>>& tls_fields() {
  static const std::vector<Field<TlsConfig>> table = {
      {"ca_file", "path", false, "authorities to trust instead of the system's, PEM", text(&TlsConfig::ca_file)},
      {"cert_file", "path", false, "our certificate, PEM", text(&TlsConfig::cert_file)},
      {"key_file", "path", false, "its key, PEM", text(&TlsConfig::key_file)},
      {"server_name", "text", false, "the name to verify; default: the target's host", text(&TlsConfig::server_name)},
      {"insecure_skip_verify", "boolean", false, "take any certificate", boolean(&TlsConfig::insecure_skip_verify)},
  };
  return table;
}

Status read_basic(HttpAccess& out, const YAML::Node& node) {
  static const std::vector<Field<HttpAccess>> table = {
      {"username", "text", true, "", text(&HttpAccess::username)},
      {"password", "text", false, "", text(&HttpAccess::password)},
      {"password_file", "path", false, "", text(&HttpAccess::password_file)}};
  return read_fields(table, node, out);
}

Status read_authorization(HttpAccess& out, const YAML::Node& node) {
  static const std::vector<Field<HttpAccess>> table = {
      {"type", "text", false, "", text(&HttpAccess::type)},
      {"credentials", "text", false, "", text(&HttpAccess::credentials)},
      {"credentials_file", "path", false, "", text(&HttpAccess::credentials_file)}};
  return read_fields(table, node, out);
}

// The fields by which jobs and services of targets say who we are.
template <class T>
void add_access(std::vector<Field<T>>& table) {
  const auto own = [](auto read) { return [read](T& t, const YAML::Node& n) -> Status { return read(t.access, n); }; };
  table.push_back({"basic_auth", "username, password, password_file", false, "who we are", own(read_basic)});
  table.push_back({"authorization", "type, credentials, credentials_file", false,
                   "the header; type is Bearer by default", own(read_authorization)});
  table.push_back({"bearer_token", "text", false, "as authorization.credentials", own(text(&HttpAccess::credentials))});
  table.push_back({"bearer_token_file", "path", false, "as authorization.credentials_file",
                   own(text(&HttpAccess::credentials_file))});
  table.push_back({"tls_config", "mapping (below)", false, "for https",
                   own([](HttpAccess& a, const YAML::Node& n) { return read_fields(tls_fields(), n, a.tls); })});
}

const std::vector<Field<FileDiscovery>>& file_fields() {
  static const std::vector<Field<FileDiscovery>> table = {
      {"files", "list of paths", true, "JSON or YAML; `*` in the last part; a change is seen within a second",
       texts(&FileDiscovery::files)},
      {"refresh_interval", "duration", false, "taken, and not needed",
       span_of_time(&FileDiscovery::refresh_interval_ms)},
  };
  return table;
}

const std::vector<Field<HttpDiscovery>>& http_fields() {
  static const std::vector<Field<HttpDiscovery>> table = [] {
    std::vector<Field<HttpDiscovery>> t = {
        {"url", "http URL", true, "answers a JSON list of targets and labels", text(&HttpDiscovery::url)},
        {"refresh_interval", "duration", false, "default 1m", span_of_time(&HttpDiscovery::refresh_interval_ms)}};
    add_access(t);
    return t;
  }();
  return table;
}

Status read_params(ScrapeJob& job, const YAML::Node& node) {
  if (!node.IsMap()) return fail(Code::invalid_argument, "takes a mapping of names to lists");
  for (const auto& entry : node) {
    std::vector<std::string>& values = job.params[entry.first.Scalar()];
    if (entry.second.IsScalar()) values.push_back(entry.second.Scalar());
    for (const YAML::Node& value : entry.second) values.push_back(value.IsScalar() ? value.Scalar() : "");
  }
  return {};
}

template <class T>
auto list_of(std::string_view name, const std::vector<Field<T>>& (*table)(), std::vector<T> ScrapeJob::* member) {
  return [=](ScrapeJob& job, const YAML::Node& n) { return read_list(name, table(), n, job.*member); };
}

void add_limits(std::vector<Field<ScrapeJob>>& t) {
  using J = ScrapeJob;
  t.insert(t.end(),
           {{"body_size_limit", "size", false, "of an answer, decompressed; default ingest.body_max",
             size(&J::body_size_limit)},
            {"sample_limit", "number", false, "after metric_relabel_configs; more: the scrape fails",
             count(&J::sample_limit)},
            {"label_limit", "number", false, "labels of a sample", count(&J::label_limit)},
            {"label_name_length_limit", "number", false, "bytes", count(&J::label_name_length_limit)},
            {"label_value_length_limit", "number", false, "bytes", count(&J::label_value_length_limit)},
            {"target_limit", "number", false, "more targets: all scrapes of the job fail", count(&J::target_limit)}});
}

const std::vector<Field<ScrapeJob>>& job_fields() {
  using J = ScrapeJob;
  static const std::vector<Field<J>> table = [] {
    std::vector<Field<J>> t = {
        {"job_name", "text", true, "unique; the label job", text(&J::job_name)},
        {"scrape_interval", "duration", false, "default global.scrape_interval", span_of_time(&J::interval_ms)},
        {"scrape_timeout", "duration", false, "default global.scrape_timeout", span_of_time(&J::timeout_ms)},
        {"metrics_path", "path", false, "default /metrics", text(&J::metrics_path)},
        {"scheme", "http or https", false, "default http", text(&J::scheme)},
        {"params", "mapping", false, "of the URL's query", read_params},
        {"honor_labels", "boolean", false, "true: labels of a sample win over the target's", boolean(&J::honor_labels)},
        {"honor_timestamps", "boolean", false, "false: the time of the scrape stands", boolean(&J::honor_timestamps)},
        {"track_timestamps_staleness", "boolean", false, "series with timestamps end with a marker too",
         boolean(&J::track_timestamps_staleness)},
        {"enable_compression", "boolean", false, "ask for gzip; default true", boolean(&J::enable_compression)},
        {"scrape_native_histograms", "boolean", false, "ask for protobuf and take native histograms; default false",
         boolean(&J::scrape_native_histograms)},
        {"always_scrape_classic_histograms", "boolean", false, "classic buckets beside native ones too",
         boolean(&J::always_scrape_classic_histograms)},
        {"scrape_classic_histograms", "boolean", false, "its former name",
         boolean(&J::always_scrape_classic_histograms)},
        {"fallback_scrape_protocol", "text", false,
         "PrometheusText0.0.4, OpenMetricsText1.0.0 or PrometheusProto, when the Content-Type tells nothing",
         text(&J::fallback_scrape_protocol)},
        {"static_configs", "list (below)", false, "", list_of("static_configs", group_fields, &J::static_configs)},
        {"file_sd_configs", "list (below)", false, "", list_of("file_sd_configs", file_fields, &J::file_sd_configs)},
        {"http_sd_configs", "list (below)", false, "", list_of("http_sd_configs", http_fields, &J::http_sd_configs)},
        {"relabel_configs", "list (below)", false, "of targets",
         list_of("relabel_configs", relabel_fields, &J::relabel_configs)},
        {"metric_relabel_configs", "list (below)", false, "of samples",
         list_of("metric_relabel_configs", relabel_fields, &J::metric_relabel_configs)}};
    add_limits(t);
    add_access(t);
    return t;
  }();
  return table;
}

Status bad(const ScrapeJob& job, std::string_view why) {
  return fail(Code::invalid_argument, fmt::format("scrape_configs: job '{}': {}", job.job_name, why));
}

Status check_rule(const ScrapeJob& job, const RelabelRule& rule) {
  using enum RelabelAction;
  const bool needs_target = rule.action == replace || rule.action == hashmod || rule.action == lowercase ||
                            rule.action == uppercase || rule.action == keepequal || rule.action == dropequal;
  if (needs_target && rule.target_label.empty())
    return bad(job, fmt::format("action {} needs target_label", relabel_actions[static_cast<size_t>(rule.action)]));
  if (const re2::RE2 re(rule.regex, re2::RE2::CannedOptions::Quiet); !re.ok())
    return bad(job, fmt::format("relabelling: regex '{}': {}", rule.regex, re.error()));
  if (rule.action == hashmod && rule.modulus == 0) return bad(job, "action hashmod needs a modulus greater than 0");
  return {};
}

Status check_access(const ScrapeJob& job, const HttpAccess& a) {
  if (!a.password.empty() && !a.password_file.empty())
    return bad(job, "basic_auth: password or password_file, not both");
  if (!a.credentials.empty() && !a.credentials_file.empty())
    return bad(job, "authorization: credentials or credentials_file, not both");
  if (!a.username.empty() && (!a.credentials.empty() || !a.credentials_file.empty()))
    return bad(job, "basic_auth or authorization, not both");
  if (a.tls.cert_file.empty() != a.tls.key_file.empty())
    return bad(job, "tls_config: cert_file and key_file go together");
  return {};
}

Status check_scrape(const ScrapeJob& job) {
  constexpr std::string_view protocols[] = {"",
                                            "PrometheusText0.0.4",
                                            "PrometheusText1.0.0",
                                            "OpenMetricsText0.0.1",
                                            "OpenMetricsText1.0.0",
                                            "PrometheusProto"};
  if (job.job_name.empty()) return bad(job, "job_name must not be empty");
  if (job.scheme != "http" && job.scheme != "https") return bad(job, "scheme must be http or https");
  if (job.timeout_ms > 0 && job.interval_ms > 0 && job.timeout_ms > job.interval_ms)
    return bad(job, "scrape_timeout must not be longer than scrape_interval");
  if (std::find(std::begin(protocols), std::end(protocols), job.fallback_scrape_protocol) == std::end(protocols))
    return bad(job, fmt::format("fallback_scrape_protocol '{}' is not known", job.fallback_scrape_protocol));
  HS_TRY(check_access(job, job.access));
  for (const HttpDiscovery& sd : job.http_sd_configs) HS_TRY(check_access(job, sd.access));
  for (const RelabelRule& rule : job.relabel_configs) HS_TRY(check_rule(job, rule));
  for (const RelabelRule& rule : job.metric_relabel_configs) HS_TRY(check_rule(job, rule));
  return {};
}

}  // namespace

Status read_scrapes(const YAML::Node& list, std::vector<ScrapeJob>& out) {
  if (list.IsSequence() && list.size() > jobs_max)
    return fail(Code::invalid_argument, fmt::format("scrape_configs: more than {} jobs", jobs_max));
  return read_list("scrape_configs", job_fields(), list, out);
}

Status check_scrapes(const std::vector<ScrapeJob>& jobs) {
  HS_TRY(check_unique(scrape_section, jobs, [](const ScrapeJob& j) { return j.job_name; }));
  for (const ScrapeJob& job : jobs) HS_TRY(check_scrape(job));
  return {};
}

std::string scrape_reference() {
  return reference("scrape_configs", job_fields()) + reference("scrape_configs: static_configs", group_fields()) +
         reference("scrape_configs: file_sd_configs", file_fields()) +
         reference("scrape_configs: http_sd_configs", http_fields()) +
         reference("scrape_configs: relabel_configs, metric_relabel_configs", relabel_fields()) +
         reference("scrape_configs: tls_config", tls_fields());
}

Result<std::vector<TargetGroup>> parse_target_groups(std::string_view text) {
  std::vector<TargetGroup> out;
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    if (root.IsSequence() && root.size() > groups_max)
      return fail(Code::too_large, fmt::format("more than {} groups of targets", groups_max));
    HS_TRY(read_list("targets", group_fields(), root, out));
  } catch (const YAML::Exception& e) {
    return fail(Code::invalid_argument, fmt::format("line {}: {}", e.mark.line + 1, e.msg));
  }
  return out;
}

}  // namespace hs::config
