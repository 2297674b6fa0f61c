#pragma once
// Everything that `homeostat serve` is made of, built in order and stopped in reverse.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "api/loop/routes.h"
#include "api/otlp/receiver.h"
#include "api/prometheus/own_samples.h"
#include "api/prometheus/routes.h"
#include "app/certificates.h"
#include "app/commands.h"
#include "app/freshness.h"
#include "app/listeners.h"
#include "app/log_sources.h"
#include "app/loop_thread.h"
#include "app/observer.h"
#include "app/own_series.h"
#include "app/ruler.h"
#include "app/storage.h"
#include "base/metrics.h"
#include "base/worker_pool.h"
#include "chaos/experiments.h"
#include "chaos/faults.h"
#include "config/config.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/random.h"
#include "limits/gate.h"
#include "loop/series/series.h"
#include "net/fault_proxy.h"
#include "net/http_client.h"
#include "sampling/tail_sampler.h"
#include "scrape/scraper.h"
#include "security/credentials.h"
#include "store/retention.h"

namespace hs::app {

class Server {
 public:
  // Everything is listening when it returns; the engine may still be starting (/readyz tells).
  static Result<std::unique_ptr<Server>> start(const Common& common, std::shared_ptr<const config::Snapshot> config);
  ~Server();

  // Reads the configuration again and applies it whole, or says why nothing was applied.
  Status reload();

 private:
  Server(const Common& common, std::shared_ptr<const config::Snapshot> config);
  const config::Settings& settings() const { return config_.load()->settings; }
  size_t body_bytes_max() const { return static_cast<size_t>(settings().bytes("ingest.body_max")); }
  std::string data() const { return settings().text("data"); }

  Status open_data();
  Status open_access();
  Status open_values();
  void keep_values(const std::stop_token& stop);
  bool values_answers(const std::stop_token& stop);
  Status open_storage();
  void open_own_series();
  Status open_chaos();
  Status open_rules();
  bool rules_ready();
  void open_ledger();
  Status declare_knobs(const config::Snapshot& config);
  Status open_loop();
  struct Mode {
    std::string_view name;  // acting | watching | stopped
    std::string why;
  };
  Mode mode(bool stopped) const;
  void publish(const loop::Machine& machine, const CodeDefaults& defaults, UnixNanos at);
  std::string knobs_page(const values::State& state, const CodeDefaults& defaults);
  void order(const api::loop::Order& order, const http::Done& done);
  Status open_scraper();
  Result<scrape::Scraper::Jobs> prepare_scrapes(const config::Snapshot& config) const;
  Status open_listeners();
  api::otlp::ReceiverOptions receiver_options();
  http::Handler otlp_http();
  ingest::Gate gate();
  api::otlp::Sink sink();  // what both receivers hand their requests to
  http::Routes routes();
  http::Routes prometheus();
  api::prometheus::WriteOptions write_options();
  api::prometheus::ReadOptions prometheus_options() const;
  http::Response readyz() const;
  void flush(const http::Done& done);

  const Common common_;
  std::atomic<std::shared_ptr<const config::Snapshot>> config_;
  io::Clock& clock_ = io::system_clock();
  io::Random& random_ = io::system_random();
  const UnixNanos started_ = clock_.wall();
  std::unique_ptr<io::FileLock> lock_;
  std::shared_ptr<security::Credentials> operators_ = std::make_shared<security::Credentials>();
  std::shared_ptr<security::Credentials> senders_ = std::make_shared<security::Credentials>();
  net::HttpClient http_;
  std::jthread values_keeper_;  // starts another values process when the one that ran is gone
  std::unique_ptr<Observer> observer_;
  std::unique_ptr<values::Actuator> actuator_;
  std::unique_ptr<ledger::Ledger> ledger_;  // none when it cannot be continued: nothing is changed then
  std::string ledger_problem_;
  metrics::Gauge ledger_usable_{"homeostat_ledger_usable",
                                "1: decisions are recorded; 0: the ledger cannot be continued"};
  metrics::Gauge code_defaults_{"homeostat_code_defaults_differing",
                                "Code defaults seen in telemetry that are not their knob's base"};
  metrics::Gauge acting_{"homeostat_acting", "1: the loop may change knobs"};
  std::atomic<api::loop::SnapshotPtr> snapshot_;
  std::mutex samples_mutex_;
  std::vector<metrics::Sample> samples_;  // of the loop, for /metrics
  metrics::Gauge ledger_size_{"homeostat_ledger_entries", "entries under the newest signed head"};
  loop::TeamKpis team_kpis_;  // the loop's thread
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<LoopThread> loop_;
  std::unique_ptr<OwnSeries> own_series_;  // outlives storage_, whose tee it listens to
  std::unique_ptr<limits::Gate> gate_;     // outlives storage_, which tells it what was refused
  std::unique_ptr<sampling::TailSampler> sampler_;
  std::unique_ptr<Storage> storage_;
  std::unique_ptr<api::prometheus::OwnSamples> own_samples_;
  std::unique_ptr<Freshness> freshness_;
  std::unique_ptr<store::RetentionKeeper> retention_;
  std::unique_ptr<Ruler> ruler_;
  MonoNanos engine_ready_at_ = 0;  // of rules_ready()
  std::unique_ptr<scrape::Scraper> scraper_;
  std::shared_ptr<promql::Budget> query_budget_ = std::make_shared<promql::Budget>(0);  // of rules, too
  std::unique_ptr<WorkerPool> query_pool_;
  chaos::Faults faults_{clock_, random_};
  std::unique_ptr<chaos::Experiments> experiments_;
  std::unique_ptr<net::FaultProxies> proxies_;  // none unless chaos.enabled
  Certificates certificates_;
  Listeners listeners_{{.hosts = [this] { return settings().list("security.hosts"); },
                        .operators = operators_,
                        .senders = senders_,
                        .certificates = certificates_}};
  std::unique_ptr<LogSources> log_sources_;
};

}  // namespace hs::app
