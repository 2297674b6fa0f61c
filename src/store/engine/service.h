#pragma once
// ClickHouse's HTTP interface, as far as it is used here, on top of sessions: routing, bounds, cancelling, answers.
// https://clickhouse.com/docs/interfaces/http
//
//   GET  /ping                                    "Ok."
//   POST /?query=...&param_x=...&SETTING=VALUE    body: the rest of the query, or the rows of an INSERT
//
// A statement runs only if the engine's parser finds exactly one, and one that stays inside the databases: queries on a
// read-only connection, INSERT with its rows out of band, DDL. SET, SYSTEM, KILL, BACKUP, INTO OUTFILE, INSERT INTO
// FUNCTION, users and functions are refused.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/http_message.h"
#include "store/engine/chdb_api.h"
#include "store/engine/session.h"

namespace hs::store {

struct ServiceOptions {
  std::string path;   // chDB's path, as the first connection opened it
  std::string token;  // for guarded()
  int query_threads = 8;
  int insert_threads = 2;
  int64_t memory_bytes = 0;  // one query may use half of it
  int64_t query_timeout_ms = 60'000;
};

class EngineService {
 public:
  // `chdb` and a connection that keeps the engine open must outlive it.
  EngineService(const Chdb& chdb, ServiceOptions options);
  ~EngineService();

  http::Handler local();    // trusts its clients
  http::Handler guarded();  // asks for the token: as password, X-ClickHouse-Key, or Bearer

  // Refuses what waits, cancels running queries, and waits for running inserts. True when all is quiet.
  bool stop(int64_t deadline_ms);

 private:
  struct Work {
    http::Request request;
    http::Done done;
    std::string id;  // of the running query, for KILL
  };
  struct Statement;
  void admit(http::Request request, http::Done done);
  void work(BoundedQueue<std::shared_ptr<Work>>& queue);
  void kill_on_demand();
  void answer(Work& work);
  void insert(Work& work, const Statement& statement);
  void select(Work& work, const Statement& statement);
  void change(Work& work, const Statement& statement);
  void stream(Work& work, Session& session, std::string first, const Statement& statement);
  Outcome<Session> open(const Work& work, const Statement& statement, bool read_only);

  const Chdb& chdb_;
  const ServiceOptions options_;
  BoundedQueue<std::shared_ptr<Work>> queries_;
  BoundedQueue<std::shared_ptr<Work>> inserts_;
  BoundedQueue<std::string> kills_;  // ids of queries whose client has gone
  std::vector<std::thread> threads_;
  std::atomic<uint64_t> next_id_{1};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable quiet_;
  std::map<std::string, bool> running_;  // id -> is an insert
};

}  // namespace hs::store
