#pragma once
// One request to a target, or to a service of targets: who we are, how large and how late an answer may be.

#include <stop_token>
#include <string>

#include "config/scrape.h"
#include "io/http.h"
#include "scrape/target.h"
#include "wire/prometheus/exposition.h"

namespace hs::scrape {

struct Answer {
  std::string body;  // decompressed
  wire::prometheus::ExpositionFormat format = wire::prometheus::ExpositionFormat::text;
};

// Asks a target for its samples. Errors say what to look at; a redirect is one.
Result<Answer> fetch(io::Http& http, const Target& target, size_t body_bytes_max, const std::stop_token& stop);

// Asks a service of targets for its list (JSON).
Result<std::string> fetch_targets(io::Http& http, const MakeHttps& make_https, const config::HttpDiscovery& discovery,
                                  const std::stop_token& stop);

}  // namespace hs::scrape
