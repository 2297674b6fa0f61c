#include "store/engine/service.h"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "base/body_pipe.h"
#include "base/compress.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/text.h"
#include "store/engine/http_dialect.h"
#include "store/engine/lz4.h"
#include "store/engine/sql_text.h"

namespace hs::store {
namespace {

constexpr size_t body_bytes_max = 1ULL << 30;  // of a decompressed body; our own blocks are far smaller
constexpr size_t kills_max = 1024;             // more than there can be queries
constexpr int access_denied = 497;
constexpr int too_many_queries = 202;
constexpr int syntax_error = 62;

Result<std::string> decoded_body(http::Request& request) {
  const std::string_view coding = request.headers.get("Content-Encoding");
  if (coding.empty()) return std::move(request.body);
  if (coding == "lz4") return lz4_decompress(request.body, body_bytes_max);
  return decode_content(coding, request.body, body_bytes_max);
}

}  // namespace

struct EngineService::Statement {
  std::string sql;  // of an INSERT: without data and format
  std::string format;
  std::string_view data;
  bool is_insert = false;
  UrlArguments arguments;
  std::string body;  // decoded; `sql` and `data` may view into it
};

EngineService::EngineService(const Chdb& chdb, ServiceOptions options)
    : chdb_(chdb),
      options_(std::move(options)),
      queries_(static_cast<size_t>(options_.query_threads)),
      inserts_(static_cast<size_t>(options_.insert_threads) * 8),
      kills_(kills_max) {
  for (int i = 0; i < options_.query_threads; ++i) threads_.emplace_back([this] { work(queries_); });
  for (int i = 0; i < options_.insert_threads; ++i) threads_.emplace_back([this] { work(inserts_); });
  threads_.emplace_back([this] { kill_on_demand(); });
}

EngineService::~EngineService() {
  stop(0);
  kills_.close();
  for (std::thread& thread : threads_) thread.join();
}

http::Handler EngineService::local() {
  return [this](http::Request request, http::Done done) { admit(std::move(request), std::move(done)); };
}

http::Handler EngineService::guarded() {
  return [this](http::Request request, http::Done done) {
    const bool open = request.path == "/ping" || may_enter(request, options_.token);
    if (open) return admit(std::move(request), std::move(done));
    done(exception_response({516,
                             "Code: 516. DB::Exception: default: Authentication failed: give the token of the "
                             "data directory as the password"},
                            ""));
  };
}

// Runs on a connection's thread: looks at as little as it can.
void EngineService::admit(http::Request request, http::Done done) {
  if (request.path == "/ping" || (request.path == "/" && request.method == "GET" && request.query.empty())) {
    return done(http::Response::text(200, "Ok.\n"));
  }
  if (request.path != "/") return done(http::Response::text(404, "There is no such path here.\n"));
  const std::string id = fmt::format("hs-{}", next_id_++);
  const bool is_insert = looks_like_insert(request);
  auto work = std::make_shared<Work>(Work{std::move(request), std::move(done), id});
  const bool taken = !stopping_ && (is_insert ? inserts_ : queries_).try_push(work);
  if (!taken) {
    work->done(exception_response(
        {too_many_queries, "Code: 202. DB::Exception: Too many simultaneous queries, or the engine is stopping"}, id));
  }
}

void EngineService::work(BoundedQueue<std::shared_ptr<Work>>& queue) {
  while (auto item = queue.pop()) {
    Work& work = **item;
    if (work.request.gone.stop_requested()) continue;
    if (stopping_) {
      work.done(exception_response({too_many_queries, "Code: 202. DB::Exception: The engine is stopping"}, work.id));
      continue;
    }
    {
      const std::lock_guard lock(mutex_);
      running_.emplace(work.id, &queue == &inserts_);
    }
    answer(work);
    const std::lock_guard lock(mutex_);
    running_.erase(work.id);
    quiet_.notify_all();
  }
}

void EngineService::answer(Work& work) {
  Statement statement;
  auto body = decoded_body(work.request);
  if (!body) return work.done(exception_response({syntax_error, "Code: 62. " + body.error().message}, work.id));
  work.request.body.clear();
  statement.body = std::move(*body);
  statement.arguments = parse_arguments(work.request);
  if (add_form(work.request, statement.body, statement.arguments)) statement.body.clear();

  const std::string& in_url = statement.arguments.query;
  if (auto insert_text = split_insert(in_url.empty() ? std::string_view(statement.body) : std::string_view(in_url))) {
    statement.is_insert = true;
    statement.sql = std::move(insert_text->statement);
    statement.format = insert_text->format.empty() ? statement.arguments.format : insert_text->format;
    // Rows in the URL's text and rows in the body are never mixed.
    statement.data = in_url.empty() || !insert_text->data.empty() ? insert_text->data : statement.body;
    return insert(work, statement);
  }
  statement.sql = in_url.empty() ? std::move(statement.body) : in_url + "\n" + statement.body;
  const std::string_view named = output_format(statement.sql);
  statement.format = named.empty() ? statement.arguments.format : std::string(named);
  select(work, statement);
}

Outcome<Session> EngineService::open(const Work& work, const Statement& statement, bool read_only) {
  Pairs settings = statement.arguments.settings;
  const auto bounded = [&](std::string_view name, int64_t least, int64_t most) {
    bound_setting(settings, name, least, most);
  };
  bounded("max_execution_time", 1, std::max<int64_t>(1, options_.query_timeout_ms / 1000));
  bounded("max_memory_usage", 16LL << 20, std::max<int64_t>(64LL << 20, options_.memory_bytes / 2));
  bounded("max_threads", 1, 4);
  settings.emplace_back("log_comment", work.id);  // how KILL finds it
  if (read_only) settings.emplace_back("readonly", "1");
  auto session = Session::open(chdb_, options_.path, settings);
  if (!session) return session;
  if (!statement.arguments.database.empty() && statement.arguments.database != "default") {
    if (auto used = session->use(statement.arguments.database); !used) return tl::unexpected(std::move(used).error());
  }
  return session;
}

void EngineService::insert(Work& work, const Statement& statement) {
  auto session = open(work, statement, false);
  if (!session) return work.done(exception_response(session.error(), work.id));
  const ChdbAnalysis analysis = session->classify(statement.sql + " FORMAT " + statement.format);
  const auto query_class = static_cast<ChdbClass>(analysis.query_class);
  if (query_class == ChdbClass::control || query_class == ChdbClass::mutating_global) return change(work, statement);
  // What does not parse as one INSERT is refused by the insert itself, with the reason.
  auto written = session->insert(statement.sql, statement.format, statement.data, statement.arguments.params);
  if (!written) {
    log::debug("insert refused", {{"why", written.error().text}});
    return work.done(exception_response(written.error(), work.id));
  }
  work.done(result_response("", statement.format, *written, work.id));
}

void EngineService::select(Work& work, const Statement& statement) {
  auto session = open(work, statement, true);
  if (!session) return work.done(exception_response(session.error(), work.id));
  const ChdbAnalysis analysis = session->classify(statement.sql);
  const auto query_class = static_cast<ChdbClass>(analysis.query_class);
  if (analysis.statement_count > 0 && query_class != ChdbClass::read_only) return change(work, statement);

  const std::stop_callback kill(work.request.gone, [this, id = work.id] { kills_.try_push(id); });
  const bool in_pieces = is_select(statement.sql) && is_concatenable(statement.format);
  const bool whole = analysis.statement_count == 1 && !in_pieces;
  if (whole) {
    auto result = session->run(statement.sql, statement.format, statement.arguments.params);
    if (!result) return work.done(exception_response(result.error(), work.id));
    return work.done(result_response(std::move(*result), statement.format, session->progress(), work.id));
  }
  auto started = session->start(statement.sql, statement.format, statement.arguments.params);
  if (!started) return work.done(exception_response(started.error(), work.id));
  auto first = session->next();
  if (!first) return work.done(exception_response(first.error(), work.id));
  stream(work, *session, std::move(*first), statement);
}

// Small results go out whole, with their true summary; large ones piece by piece, as fast as the client takes them.
void EngineService::stream(Work& work, Session& session, std::string first, const Statement& statement) {
  auto second = first.empty() ? Outcome<std::string>(std::string()) : session.next();
  if (!second) return work.done(exception_response(second.error(), work.id));
  if (second->empty()) {
    return work.done(result_response(std::move(first), statement.format, session.progress(), work.id));
  }
  http::Response response = result_response(std::move(first), statement.format, session.progress(), work.id);
  http::BodyPipe pipe = http::make_body_pipe();
  response.stream = std::move(pipe.source);
  work.done(std::move(response));
  for (; second && !second->empty(); second = session.next()) {
    if (!pipe.writer.write(std::move(*second))) return session.cancel();
  }
  if (second) return pipe.writer.finish();
  pipe.writer.fail(Error{Code::internal, second.error().text});
}

// DDL, and INSERT ... SELECT. Also where what is refused gets its answer.
void EngineService::change(Work& work, const Statement& statement) {
  auto session = open(work, statement, false);
  if (!session) return work.done(exception_response(session.error(), work.id));
  const ChdbAnalysis analysis = session->classify(statement.sql);
  if (analysis.statement_count > 1) {
    return work.done(exception_response(
        {syntax_error, "Code: 62. DB::Exception: Syntax error (Multi-statements are not allowed)"}, work.id));
  }
  if (analysis.query_class != static_cast<uint32_t>(ChdbClass::mutating)) {
    return work.done(exception_response({access_denied,
                                         "Code: 497. DB::Exception: this statement is not allowed here: "
                                         "one statement, that stays inside the databases"},
                                        work.id));
  }
  const std::stop_callback kill(work.request.gone, [this, id = work.id] { kills_.try_push(id); });
  auto result = session->run(statement.sql, statement.format, statement.arguments.params);
  if (!result) return work.done(exception_response(result.error(), work.id));
  work.done(result_response(std::move(*result), statement.format, session->progress(), work.id));
}

void EngineService::kill_on_demand() {
  while (auto id = kills_.pop()) {
    auto session = Session::open(chdb_, options_.path, {});
    if (!session) continue;
    auto killed = session->run("KILL QUERY WHERE Settings['log_comment'] = {id:String} ASYNC", "Null", {{"id", *id}});
    if (!killed) log::warn("could not cancel a query", {{"why", killed.error().text}});
  }
}

bool EngineService::stop(int64_t deadline_ms) {
  stopping_ = true;
  queries_.close();
  inserts_.close();
  std::unique_lock lock(mutex_);
  for (const auto& [id, is_insert] : running_) {
    if (!is_insert) kills_.try_push(id);
  }
  return quiet_.wait_for(lock, std::chrono::milliseconds(deadline_ms), [&] { return running_.empty(); });
}

}  // namespace hs::store
