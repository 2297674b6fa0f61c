// What serve scrapes: jobs of the configuration, into the journal.

#include "app/server.h"
#include "net/tls_client.h"

namespace hs::app {
namespace {

constexpr int64_t scrape_append_ms = 10'000;  // a thread of the scraper waits so long for the journal

}  // namespace

Status Server::open_scraper() {
  const auto append = [this](wire::prometheus::WriteEncoder samples) {
    return own_samples_->append_and_wait(api::prometheus::Origin::scrape, "", std::move(samples), scrape_append_ms);
  };
  const auto make_https = [](const config::TlsConfig& c) -> std::shared_ptr<io::Http> {
    return std::make_shared<net::TlsClient>(
        net::TlsOptions{c.ca_file, c.cert_file, c.key_file, c.server_name, c.insecure_skip_verify});
  };
  scraper_ = std::make_unique<scrape::Scraper>(
      scrape::Outside{.http = http_, .make_https = make_https, .clock = clock_, .append = append},
      scrape::Options{.threads = static_cast<int>(settings().integer("scrape.threads")),
                      .body_bytes_max = body_bytes_max()});
  HS_ASSIGN(auto jobs, prepare_scrapes(*config_.load()));
  scraper_->apply(std::move(jobs));
  return {};
}

Result<scrape::Scraper::Jobs> Server::prepare_scrapes(const config::Snapshot& config) const {
  return scraper_->prepare(config.scrapes, config.settings.ms("global.scrape_interval"),
                           config.settings.ms("global.scrape_timeout"));
}

}  // namespace hs::app
