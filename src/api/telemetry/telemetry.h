#pragma once
// The read side of the own API: traces, spans, logs, series, services, as JSON. docs/api/telemetry.md describes it for
// users. Every query is a constant text with bound parameters; what a caller sends never becomes part of one.

#include <functional>
#include <vector>

#include "base/http_message.h"
#include "base/worker_pool.h"
#include "ingest/ingest.h"
#include "io/clock.h"
#include "store/client.h"

namespace hs::api::telemetry {

// store::Client::collect, or a test's.
using Collect = std::function<Result<std::vector<store::ResultBlock>>(const store::Query&, size_t rows_max)>;

// ingest::Ingest::held: batches of a tenant's spans that no query finds yet. Empty: there are none.
using Held = std::function<std::vector<ingest::HeldBatch>(const std::string& tenant)>;

// GET /v1/traces/{id}, /v1/spans, /v1/logs, /v1/series, /v1/series/names, /v1/services. Queries block, so the handlers
// work on `pool`. All arguments must outlive the server that has the routes.
http::Routes routes(Collect collect, Held held, io::Clock& clock, WorkerPool& pool);

}  // namespace hs::api::telemetry
