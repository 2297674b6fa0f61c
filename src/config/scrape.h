#pragma once
// What is scraped, in Prometheus' words: https://prometheus.io/docs/prometheus/latest/configuration/configuration/
// Plain values; defaults are Prometheus' unless a comment says otherwise.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hs::config {

using LabelMap = std::map<std::string, std::string>;

enum class RelabelAction : uint8_t {
  replace,
  keep,
  drop,
  keepequal,
  dropequal,
  hashmod,
  labelmap,
  labeldrop,
  labelkeep,
  lowercase,
  uppercase
};

struct RelabelRule {
  std::vector<std::string> source_labels;
  std::string separator = ";";
  std::string regex = "(.*)";  // RE2, anchored at both ends
  uint64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";
  RelabelAction action = RelabelAction::replace;
  bool operator==(const RelabelRule&) const = default;
};

struct TlsConfig {
  std::string ca_file, cert_file, key_file;  // PEM; without ca_file the system's authorities
  std::string server_name;                   // to verify and to ask for; default: the host of the URL
  bool insecure_skip_verify = false;
  bool operator==(const TlsConfig&) const = default;
};

// Who we are to a target or to a service of targets. Files are read again for each request.
struct HttpAccess {
  std::string username, password, password_file;               // basic_auth
  std::string type = "Bearer", credentials, credentials_file;  // authorization
  TlsConfig tls;
  bool operator==(const HttpAccess&) const = default;
};

struct TargetGroup {
  std::vector<std::string> targets;  // host:port
  LabelMap labels;
  bool operator==(const TargetGroup&) const = default;
};

struct FileDiscovery {
  std::vector<std::string> files;  // .json, .yml, .yaml; * in the last part of the path
  int64_t refresh_interval_ms = 300'000;
  bool operator==(const FileDiscovery&) const = default;
};

struct HttpDiscovery {
  std::string url;
  int64_t refresh_interval_ms = 60'000;
  HttpAccess access;
  bool operator==(const HttpDiscovery&) const = default;
};

struct ScrapeJob {
  std::string job_name;
  int64_t interval_ms = 0, timeout_ms = 0;  // 0: as global
  std::string metrics_path = "/metrics", scheme = "http";
  std::map<std::string, std::vector<std::string>> params;
  bool honor_labels = false, honor_timestamps = true, track_timestamps_staleness = false;
  bool enable_compression = true;
  bool scrape_native_histograms = false, always_scrape_classic_histograms = false;
  std::string fallback_scrape_protocol;  // for answers whose Content-Type says nothing; "": they fail
  HttpAccess access;
  std::vector<TargetGroup> static_configs;
  std::vector<FileDiscovery> file_sd_configs;
  std::vector<HttpDiscovery> http_sd_configs;
  std::vector<RelabelRule> relabel_configs, metric_relabel_configs;
  int64_t body_size_limit = 0;  // bytes, decompressed; 0: ingest.body_max (Prometheus: none)
  // 0: none. What is over makes the scrape fail; target_limit all scrapes of the job.
  uint64_t sample_limit = 0, label_limit = 0, label_name_length_limit = 0, label_value_length_limit = 0,
           target_limit = 0;
  bool operator==(const ScrapeJob&) const = default;
};

}  // namespace hs::config
