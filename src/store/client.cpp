#include "store/client.h"

#include <algorithm>
#include <array>
#include <charconv>

#include <fmt/format.h>

#include "base/hash.h"
#include "base/json.h"

namespace hs::store {
namespace {

constexpr int memory_limit = 241, not_enough_space = 243, too_many_parts = 252, too_many_queries = 202;
constexpr int timeout_exceeded = 159, unknown_table = 60, unknown_database = 81;
constexpr size_t error_text_max = 2000;
constexpr size_t url_bytes_max = 4096;  // servers bound their header; longer parameters go into the body

// What passes by itself or by an operator's hand, and says nothing against the block: the machine, the network, the
// server's state (a read-only table, a missing keeper, wrong credentials, a schema that is not there yet).
constexpr std::array<int, 24> passing = {23,  74,  75,  76,  107, 173, 209, 210, 225, 236, 242,  279,
                                         319, 341, 394, 425, 439, 497, 516, 571, 597, 999, 1001, 1002};

// One block is one part whatever its size, and settings of a server's profile cannot change what a replay does.
constexpr std::string_view insert_settings =
    "&async_insert=0&insert_deduplicate=1&max_partitions_per_insert_block=1&max_insert_threads=1"
    "&max_insert_block_size=16777216&min_insert_block_size_rows=0&min_insert_block_size_bytes=0"
    "&input_format_defaults_for_omitted_fields=1&wait_end_of_query=1";

// Indices that cost more than the rows: a block's own part goes without, the merge that takes it in makes them. Until
// then queries read the few newest parts whole. Only for our own engine: an older server refuses settings it does not
// know.
constexpr std::string_view later_indices = "&exclude_materialize_skip_indexes_on_insert=i_body%2Ci_trace%2Ci_attrs";

std::string multipart(const std::vector<std::pair<std::string, std::string>>& fields, std::string_view boundary) {
  std::string body;
  for (const auto& [name, value] : fields) {
    body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", boundary, name, value);
  }
  return body + fmt::format("--{}--\r\n", boundary);
}

// A boundary that no value contains: what is in a value can never end its part.
std::string boundary_beside(const std::vector<std::pair<std::string, std::string>>& fields) {
  for (uint64_t i = 0;; ++i) {
    const std::string boundary = fmt::format("homeostat-{:016x}", hash64("boundary", i));
    const bool taken = std::any_of(fields.begin(), fields.end(),
                                   [&](const auto& f) { return f.second.find(boundary) != std::string::npos; });
    if (!taken) return boundary;
  }
}

uint64_t number_in(const json::Json& object, std::string_view key) {
  uint64_t v = 0;
  if (const auto text = json::text(object, key)) std::from_chars(text->data(), text->data() + text->size(), v);
  return v;
}

Summary summary_of(const http::Response& response) {
  Summary summary;
  if (const auto parsed = json::parse(response.headers.get("X-ClickHouse-Summary"), "summary")) {
    summary.read_rows = number_in(*parsed, "read_rows");
    summary.read_bytes = number_in(*parsed, "read_bytes");
    summary.result_rows = number_in(*parsed, "result_rows");
  }
  return summary;
}

// The server's exception as an error of ours; nothing when it answered well.
Status check(const http::Response& response, bool insert) {
  const std::string_view code_text = response.headers.get("X-ClickHouse-Exception-Code");
  if (response.status == 200 && code_text.empty()) return {};
  int code = 0;
  std::from_chars(code_text.data(), code_text.data() + code_text.size(), code);
  const std::string text = response.body.substr(0, error_text_max);
  if (code == 0) {  // not from a database: a proxy, or a server that is starting or full
    const Code ours =
        response.status == 503 || response.status == 429 || response.status >= 500 ? Code::unavailable : Code::internal;
    return fail(ours, fmt::format("the store answers {}: {}", response.status, text));
  }
  return fail(code_of_exception(code, text, insert), "the store answers: " + text);
}

}  // namespace

Code code_of_exception(int code, std::string_view text, bool insert) {
  if (code == memory_limit) return insert ? Code::unavailable : Code::resource_exhausted;
  if (code == not_enough_space || std::find(passing.begin(), passing.end(), code) != passing.end()) {
    return Code::unavailable;
  }
  if (code == too_many_queries) return insert ? Code::unavailable : Code::resource_exhausted;
  if (code == timeout_exceeded) return insert ? Code::unavailable : Code::deadline_exceeded;
  // The same code says that merges are behind (it passes) and that one block has several partitions (it does not).
  if (code == too_many_parts) {
    return text.find("partitions") == std::string_view::npos ? Code::unavailable : Code::invalid_argument;
  }
  if (code == unknown_table || code == unknown_database) return insert ? Code::unavailable : Code::not_found;
  return Code::invalid_argument;
}

struct Client::Answer {
  http::Response response;
};

Client Client::in_database(std::string database) const {
  ClientOptions options = options_;
  options.database = std::move(database);
  return Client(std::move(options), http_);
}

Client Client::until(std::stop_token stop) const {
  ClientOptions options = options_;
  options.cancel = std::move(stop);
  return Client(std::move(options), http_);
}

namespace {

void add_credentials(const ClientOptions& options, http::Headers& headers) {
  if (!options.user.empty()) headers.set("X-ClickHouse-User", options.user);
  if (!options.password.empty()) headers.set("X-ClickHouse-Key", options.password);
}

}  // namespace

Status Client::ping() {
  io::HttpRequest request{.method = "GET", .target = "/ping", .headers = {}, .body = {}};
  HS_ASSIGN(const http::Response response, http_.request(options_.endpoint, request, {.timeout_ms = 2'000}));
  return check(response, false);
}

Status Client::insert(std::string_view table, std::string_view token, std::string_view native, std::stop_token cancel) {
  io::HttpRequest request{.method = "POST", .target = {}, .headers = {}, .body = native};
  request.target = fmt::format("/?database={}&query=INSERT+INTO+{}+FORMAT+Native&insert_deduplication_token={}{}{}",
                               http::url_encode(options_.database), table, http::url_encode(token), insert_settings,
                               options_.endpoint.unix_path.empty() ? "" : later_indices);
  add_credentials(options_, request.headers);
  HS_ASSIGN(const http::Response response,
            http_.request(options_.endpoint, request,
                          {.timeout_ms = options_.insert_timeout_ms, .cancel = std::move(cancel)}));
  return check(response, true);
}

Result<Client::Answer> Client::ask(const Query& query, const io::HttpLimits& limits) {
  const int64_t timeout_ms = query.timeout_ms > 0 ? query.timeout_ms : options_.query_timeout_ms;
  io::HttpRequest request{.method = "POST", .target = {}, .headers = {}, .body = query.sql};
  request.target = fmt::format("/?database={}&default_format=Native&max_execution_time={}",
                               http::url_encode(options_.database), std::max<int64_t>(1, (timeout_ms + 999) / 1000));
  if (query.memory_bytes_max > 0) request.target += fmt::format("&max_memory_usage={}", query.memory_bytes_max);
  std::vector<std::pair<std::string, std::string>> fields;
  size_t bytes = 0;
  for (const auto& [name, value] : query.params) {
    fields.emplace_back("param_" + name, value);
    bytes += name.size() + 3 * value.size();
  }
  std::string form;
  if (bytes > url_bytes_max) {
    fields.emplace_back("query", query.sql);
    const std::string boundary = boundary_beside(fields);
    form = multipart(fields, boundary);
    request.body = form;
    request.headers.set("Content-Type", "multipart/form-data; boundary=" + boundary);
  } else {
    for (const auto& [name, value] : fields) request.target += "&" + name + "=" + http::url_encode(value);
  }
  add_credentials(options_, request.headers);
  io::HttpLimits bounded = limits;
  bounded.timeout_ms = timeout_ms + 1'000;  // the engine's own limit comes first, with a better message
  bounded.cancel = query.cancel.stop_possible() ? query.cancel : options_.cancel;
  HS_ASSIGN(http::Response response, http_.request(options_.endpoint, request, bounded));
  HS_TRY(check(response, false));
  return Answer{std::move(response)};
}

Result<Summary> Client::query(const Query& query, const BlockSink& sink) {
  NativeReader reader;
  Status broken;
  bool ended = false;  // by the sink
  std::vector<ResultBlock> blocks;
  const auto deliver = [&] {
    for (const ResultBlock& block : blocks) ended = ended || !sink(block);
    blocks.clear();
    return !ended;
  };
  io::HttpLimits limits;
  limits.sink = [&](std::string_view bytes) {
    broken = reader.feed(bytes, blocks);
    return broken && deliver();
  };
  auto answer = ask(query, limits);
  if (!broken) return tl::unexpected(broken.error());
  if (ended) return Summary{};
  if (!answer) return tl::unexpected(answer.error());
  HS_TRY(reader.finish(blocks));
  deliver();
  return summary_of(answer->response);
}

Result<std::vector<ResultBlock>> Client::collect(const Query& query, size_t rows_max) {
  NativeReader reader;
  std::vector<ResultBlock> blocks;
  Status broken;
  io::HttpLimits limits;
  limits.sink = [&](std::string_view bytes) {
    broken = reader.feed(bytes, blocks);
    size_t rows = 0;
    for (const ResultBlock& block : blocks) rows += block.rows;
    if (broken && rows > rows_max) broken = fail(Code::too_large, fmt::format("more than {} rows", rows_max));
    return broken.has_value();
  };
  auto answer = ask(query, limits);
  if (!broken) return tl::unexpected(broken.error());
  if (!answer) return tl::unexpected(answer.error());
  HS_TRY(reader.finish(blocks));
  std::erase_if(blocks, [](const ResultBlock& block) { return block.rows == 0; });
  return blocks;
}

Status Client::execute(const Query& query) {
  HS_TRY(ask(query, {}));
  return {};
}

// The condition on `cut` alone would read one column of the whole partition; its index leaves the parts that may have
// it, and a replay asks about the newest.
Result<bool> Client::has_cut(std::string_view table, std::string_view partition, uint64_t cut, std::stop_token cancel) {
  HS_ASSIGN(const auto found,
            collect({.sql = "SELECT 1 FROM {table:Identifier} WHERE _partition_id = {partition:String} "
                            "AND cut = {cut:UInt64} LIMIT 1",
                     .params = {{"table", std::string(table)},
                                {"partition", std::string(partition)},
                                {"cut", std::to_string(cut)}},
                     .cancel = std::move(cancel)}));
  return !found.empty();
}

Result<bool> Client::is_inserting(std::string_view token, std::stop_token cancel) {
  HS_ASSIGN(const auto found, collect({.sql = "SELECT 1 FROM system.processes WHERE query_kind = 'Insert' AND "
                                              "Settings['insert_deduplication_token'] = {token:String} LIMIT 1",
                                       .params = {{"token", std::string(token)}},
                                       .cancel = std::move(cancel)}));
  return !found.empty();
}

}  // namespace hs::store
