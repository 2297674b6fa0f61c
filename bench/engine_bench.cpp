// What storing costs: encoding, the engine's CPU for inserting and for merging, bytes on disk, and some queries.
//   engine_bench DUMP HOMEOSTAT [--cut-rows N] [--keep DIR] [--no-merge]
// DUMP: as for decode_bench. HOMEOSTAT: the binary whose `engine` is measured (the build's, optimised or not: the
// engine's library is the same).

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "dump.h"
#include "net/http_client.h"
#include "store/block.h"
#include "store/client.h"
#include "store/schema.h"
#include "store/supervisor.h"
#include "wire/otlp/otlp.h"

namespace {

using hs::model::Batch;
using hs::store::Block;

struct Arguments {
  std::string dump, homeostat, keep;
  size_t cut_rows = 100'000;
  bool merge = true;
};

std::vector<Batch> decode_dump(const std::string& path) {
  std::vector<Batch> out;
  for (hs::bench::Request& request : hs::bench::read_dump(path)) {
    auto batch = hs::wire::otlp::decode(request.signal, hs::wire::otlp::Format::protobuf, std::move(request.body));
    if (batch) out.push_back(std::move(*batch));
  }
  return out;
}

double own_cpu_s() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  const auto s = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return s(usage.ru_utime) + s(usage.ru_stime);
}

double cpu_s_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text{std::istreambuf_iterator<char>(file), {}};
  text = text.substr(text.rfind(')') + 2);
  unsigned long user = 0, system = 0;
  std::sscanf(text.c_str(), "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
  return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double peak_mib_of(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

struct Store {
  std::string directory;
  hs::net::HttpClient http;
  hs::store::EngineSupervisor supervisor;
  hs::store::Client client;

  Store(const Arguments& a, const std::string& dir)
      : directory(dir),
        supervisor({.command = {a.homeostat, "engine", "--child", "--data", dir}, .endpoint = endpoint()}, http),
        client({.endpoint = endpoint()}, http) {}
  hs::io::Endpoint endpoint() const { return {.unix_path = directory + "/engine.sock"}; }
  pid_t pid() const { return supervisor.state().pid; }
  void must(const hs::Status& status, std::string_view what) const {
    if (status) return;
    fmt::print(stderr, "{}: {}\n", what, status.error().message);
    std::exit(1);
  }
};

struct Totals {
  double encode_s = 0, insert_s = 0, merge_s = 0;
  size_t rows = 0, blocks = 0, bytes = 0;
};

void load(Store& store, const std::vector<Batch>& batches, size_t cut_rows, Totals& totals) {
  hs::store::Described described;
  uint64_t cut = 0;
  const double before = cpu_s_of(store.pid());
  for (size_t i = 0; i < batches.size();) {
    std::vector<hs::store::StoredBatch> stored;
    for (size_t rows = 0; i < batches.size() && rows < cut_rows; ++i) {
      stored.push_back({&batches[i], hs::bench::newest_of(batches[i]) + 1, ""});
      rows += batches[i].size();
      totals.rows += batches[i].size();
    }
    const double start = own_cpu_s();
    const std::vector<Block> blocks = hs::store::encode_blocks(stored, ++cut, described);
    totals.encode_s += own_cpu_s() - start;
    for (const Block& block : blocks) {
      store.must(store.client.insert(block), block.table);
      ++totals.blocks;
      totals.bytes += block.native.size();
    }
  }
  totals.insert_s = cpu_s_of(store.pid()) - before;
}

std::vector<std::string> tables(Store& store) {
  std::vector<std::string> names;
  const auto found = store.client.collect(
      {.sql = "SELECT DISTINCT table FROM system.parts WHERE database = currentDatabase() AND active ORDER BY table"});
  if (!found) return names;
  for (const auto& block : *found) {
    for (size_t r = 0; r < block.rows; ++r) names.emplace_back(block.columns[0].text(r));
  }
  return names;
}

void print_sizes(Store& store) {
  const auto sizes = store.client.collect(
      {.sql = "SELECT table, sum(rows) AS rows, sum(bytes_on_disk) AS bytes, count() AS parts FROM system.parts "
              "WHERE database = currentDatabase() AND active GROUP BY table ORDER BY bytes DESC"});
  if (!sizes) return;
  fmt::print("{:<16}{:>12}{:>14}{:>10}{:>7}\n", "table", "rows", "bytes", "bytes/row", "parts");
  for (const auto& b : *sizes) {
    for (size_t r = 0; r < b.rows; ++r) {
      const double rows = b.columns[1].f64(r), bytes = b.columns[2].f64(r);
      fmt::print("{:<16}{:>12}{:>14}{:>10.1f}{:>7}\n", b.columns[0].text(r), rows, bytes, bytes / rows,
                 b.columns[3].u64(r));
    }
  }
}

void print_columns(Store& store) {
  const auto sizes = store.client.collect(
      {.sql = "SELECT table, column, sum(column_bytes_on_disk) AS bytes, sum(rows) AS rows FROM system.parts_columns "
              "WHERE database = currentDatabase() AND active GROUP BY table, column HAVING bytes / rows > 0.3 "
              "ORDER BY bytes DESC LIMIT 24"});
  if (!sizes) return;
  for (const auto& b : *sizes) {
    for (size_t r = 0; r < b.rows; ++r) {
      fmt::print("  {}.{}: {:.1f} bytes/row\n", b.columns[0].text(r), b.columns[1].text(r),
                 b.columns[2].f64(r) / b.columns[3].f64(r));
    }
  }
}

void time_query(Store& store, std::string_view what, std::string_view sql) {
  const double before = cpu_s_of(store.pid());
  const auto answer = store.client.collect({.sql = sql});
  const double cpu = cpu_s_of(store.pid()) - before;
  fmt::print("  {:<34} {:.2f} CPU-s{}\n", what, cpu, answer ? "" : " (" + answer.error().message + ")");
}

void print_queries(Store& store, const std::vector<std::string>& with) {
  const auto has = [&](std::string_view t) { return std::find(with.begin(), with.end(), t) != with.end(); };
  if (has("logs")) {
    time_query(store, "log needle by token", "SELECT count() FROM logs WHERE hasToken(body, '7f3a9c51d2')");
    time_query(store, "log needle by substring", "SELECT count() FROM logs WHERE body LIKE '%7f3a9c51d2%'");
    time_query(store, "log count by severity", "SELECT severity, count() FROM logs GROUP BY severity");
  }
  if (has("spans")) {
    time_query(store, "trace by id",
               "SELECT count() FROM spans WHERE trace_id = (SELECT trace_id FROM spans LIMIT 1 OFFSET 77777)");
    time_query(store, "spans by attribute value", "SELECT count() FROM spans WHERE attrs['none'] = 'none'");
    time_query(store, "rate and errors by service",
               "SELECT service, count(), countIf(status = 2), quantile(0.99)(duration) FROM spans GROUP BY service");
  }
  if (has("samples")) {
    time_query(
        store, "one metric's samples",
        "SELECT count(), sum(value) FROM samples WHERE series_id IN (SELECT series_id FROM series WHERE metric = "
        "(SELECT metric FROM series LIMIT 1))");
  }
}

int run(const Arguments& arguments) {
  const std::vector<Batch> batches = decode_dump(arguments.dump);
  if (batches.empty()) {
    fmt::print(stderr, "{} is no dump\n", arguments.dump);
    return 1;
  }
  std::string pattern = arguments.keep.empty() ? std::filesystem::temp_directory_path() / "engine-bench-XXXXXX" : "";
  const std::string directory = arguments.keep.empty() ? mkdtemp(pattern.data()) : arguments.keep.c_str();
  Store store(arguments, directory);
  if (!store.supervisor.wait_ready(60'000)) return 1;
  store.must(hs::store::migrate(store.client), "migrate");
  Totals t;
  load(store, batches, arguments.cut_rows, t);
  const double loaded = cpu_s_of(store.pid());
  const std::vector<std::string> names = tables(store);
  for (const std::string& name : names) {
    if (!arguments.merge) break;
    const std::string sql = "OPTIMIZE TABLE " + name + " FINAL";
    store.must(store.client.execute({.sql = sql, .timeout_ms = 300'000}), sql);
  }
  t.merge_s = cpu_s_of(store.pid()) - loaded;
  const double million = static_cast<double>(t.rows) / 1e6;
  fmt::print("{} rows, {} blocks, {:.0f} bytes of Native a row\n", t.rows, t.blocks,
             static_cast<double>(t.bytes) / static_cast<double>(t.rows));
  fmt::print("CPU-s per million: encode {:.2f}, engine insert {:.2f} (merges meanwhile included), final merge {:.2f}\n",
             t.encode_s / million, t.insert_s / million, t.merge_s / million);
  fmt::print("engine: peak {:.0f} MiB resident\n", peak_mib_of(store.pid()));
  print_sizes(store);
  print_columns(store);
  print_queries(store, names);
  store.supervisor.stop();
  if (arguments.keep.empty()) std::filesystem::remove_all(directory);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--cut-rows" && i + 1 < argc) {
      arguments.cut_rows = std::stoul(argv[++i]);
    } else if (word == "--keep" && i + 1 < argc) {
      arguments.keep = argv[++i];
    } else if (word == "--no-merge") {
      arguments.merge = false;
    } else if (arguments.dump.empty()) {
      arguments.dump = word;
    } else {
      arguments.homeostat = std::filesystem::absolute(word);
    }
  }
  if (arguments.homeostat.empty()) {
    fmt::print(stderr, "usage: engine_bench DUMP HOMEOSTAT [--cut-rows N] [--keep DIR] [--no-merge]\n");
    return 2;
  }
  return run(arguments);
}
