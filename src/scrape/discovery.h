#pragma once
// Where a job's targets are: as configured, in files, told by a service. What cannot be read stays as it was.

#include <map>
#include <string>
#include <vector>

#include "config/scrape.h"
#include "io/clock.h"
#include "io/files.h"
#include "io/http.h"
#include "scrape/target.h"

namespace hs::scrape {

// Of one job. Not thread-safe; look() blocks while a service answers.
class Discovery {
 public:
  Discovery(const config::ScrapeJob& job, io::Http& http, MakeHttps make_https, io::Clock& clock);

  // True when groups() are others than before; the first time always.
  bool look(const std::stop_token& stop);
  std::vector<config::TargetGroup> groups() const;

 private:
  struct File {
    io::FileStamp stamp;
    std::vector<config::TargetGroup> groups;
  };
  struct Service {
    MonoNanos due = 0;
    std::vector<config::TargetGroup> groups;
  };
  bool look_at_files();
  bool look_at_services(const std::stop_token& stop);

  const config::ScrapeJob job_;
  io::Http& http_;
  MakeHttps make_https_;
  io::Clock& clock_;
  bool first_ = true;
  std::map<std::string, File> files_;  // at most files_max
  std::vector<Service> services_;      // as job_.http_sd_configs
};

}  // namespace hs::scrape
