#include "base/metrics_page.h"

#include "base/metrics.h"

namespace hs::metrics {

http::Response page() {
  http::Response page = http::Response::text(200, exposition());
  page.headers.set("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  return page;
}

}  // namespace hs::metrics
