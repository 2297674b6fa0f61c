// How long an evaluation takes at `homeostat values`: keep-alive, TCP_NODELAY, from the request's first byte to the
// answer's last, beside a GET of as many bytes from a real Redis in the same seconds, by the same client.
//   values_bench HOMEOSTAT [--seconds N] [--rate PER_S]
// Closed loop: one connection, one request after another. Open loop: arrivals at random moments on four connections;
// a request that had to wait for the one before it counts from the moment at which it was due.
// Exits with 1 when p99 of a single evaluation is above 2 ms although this machine lets Redis answer within it.

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "io/random.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr double limit_ms = 2;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

int free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

class Connection {
 public:
  explicit Connection(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<uint16_t>(port));
    good_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Connection() { close(fd_); }
  bool good() const { return good_; }
  // The answer, of `size` bytes when that is known; 0: until it has what an HTTP answer says it has.
  std::string ask(std::string_view request, size_t size) {
    std::string answer;
    good_ = good_ && send(fd_, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size());
    for (reads_ = 0; good_ && (size == 0 || answer.size() < size); ++reads_) {
      char buffer[65'536];
      const ssize_t n = recv(fd_, buffer, sizeof buffer, 0);
      good_ = n > 0;
      if (good_) answer.append(buffer, static_cast<size_t>(n));
      if (size == 0) size = whole(answer);
    }
    return answer;
  }
  int reads() const { return reads_; }  // of the last answer

 private:
  static size_t whole(const std::string& answer) {
    const size_t head = answer.find("\r\n\r\n"), length = answer.find("Content-Length: ");
    if (head == std::string::npos || length == std::string::npos) return 0;
    return head + 4 + std::stoul(answer.substr(length + 16));
  }
  int fd_;
  bool good_ = false;
  int reads_ = 0;
};

class Process {
 public:
  explicit Process(std::vector<std::string> command) : pid_(fork()) {
    if (pid_ != 0) return;
    if (std::freopen("/dev/null", "w", stdout) == nullptr || std::freopen("/dev/null", "w", stderr) == nullptr)
      _exit(126);
    std::vector<char*> arguments;
    for (std::string& word : command) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  ~Process() {
    kill(pid_, SIGTERM);
    waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_;
};

bool wait_for(int port) {
  for (int i = 0; i < 500; ++i) {
    if (Connection(port).good()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

struct Subject {
  std::string name;
  int port = 0;
  std::string request;
  size_t size = 0;  // of the answer
  std::vector<double> closed = {}, open = {};
  size_t torn = 0;  // answers that came in more than one piece
};

std::string http(std::string_view path, std::string_view body) {
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}", path,
      body.size(), body);
}

// Blocks of the subjects take turns, so that what the machine does otherwise meets all of them.
void closed_loop(std::vector<Subject>& subjects, double seconds) {
  std::vector<std::unique_ptr<Connection>> connections;
  for (const Subject& s : subjects) connections.push_back(std::make_unique<Connection>(s.port));
  const auto start = Clock::now();
  while (ms_since(start) < seconds * 1000)
    for (size_t i = 0; i < subjects.size(); ++i)
      for (int n = 0; n < 200; ++n) {
        const auto asked = Clock::now();
        connections[i]->ask(subjects[i].request, subjects[i].size);
        subjects[i].closed.push_back(ms_since(asked));
        subjects[i].torn += connections[i]->reads() > 1;
      }
}

void open_loop_of(Subject& subject, double seconds, double rate, uint64_t seed, std::vector<double>& out) {
  Connection connection(subject.port);
  hs::io::SeededRandom random(seed);
  const auto gap = [&] { return -std::log(1 - random.uniform()) / rate; };
  const auto start = Clock::now();
  for (double due_s = gap(); due_s < seconds; due_s += gap()) {
    const auto due = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(due_s));
    std::this_thread::sleep_until(due);
    connection.ask(subject.request, subject.size);
    out.push_back(ms_since(due));
  }
}

void open_loop(std::vector<Subject>& subjects, double seconds, double rate) {
  constexpr int connections = 4;
  std::vector<std::vector<double>> found(subjects.size() * connections);
  std::vector<std::jthread> threads;
  for (size_t i = 0; i < found.size(); ++i)
    threads.emplace_back(
        [&, i] { open_loop_of(subjects[i / connections], seconds, rate / connections, i + 1, found[i]); });
  threads.clear();
  for (size_t i = 0; i < found.size(); ++i)
    subjects[i / connections].open.insert(subjects[i / connections].open.end(), found[i].begin(), found[i].end());
}

double quantile(std::vector<double>& all, double q) {
  if (all.empty()) return 0;
  const auto at = all.begin() + static_cast<ptrdiff_t>(q * static_cast<double>(all.size() - 1));
  std::nth_element(all.begin(), at, all.end());
  return *at;
}

void tell(const char* title, std::vector<Subject>& subjects, std::vector<double> Subject::* which) {
  std::printf("\n%s\n%-28s %9s %9s %9s %9s %9s %16s\n", title, "", "n", "p50 ms", "p99 ms", "p99.9 ms", "max ms",
              "p99 / Redis GET");
  const double redis = quantile(subjects.back().*which, 0.99);
  for (Subject& s : subjects) {
    std::vector<double>& all = s.*which;
    std::printf("%-28s %9zu %9.3f %9.3f %9.3f %9.3f %16.2f\n", s.name.c_str(), all.size(), quantile(all, 0.5),
                quantile(all, 0.99), quantile(all, 0.999), quantile(all, 1), quantile(all, 0.99) / redis);
  }
}

std::string configuration() {
  std::string out = "knobs:\n";
  for (int i = 0; i < 20; ++i)
    out += fmt::format(
        "  - {{key: shop.knob_{}, type: integer, base: {}, min: 0, max: 100, services: [shop], scope: request}}\n", i,
        i);
  return out;
}

}  // namespace

int main(int count, char** words) {
  double seconds = 10, rate = 1000;
  std::string homeostat;
  for (int i = 1; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "--seconds" && i + 1 < count)
      seconds = std::stod(words[++i]);
    else if (word == "--rate" && i + 1 < count)
      rate = std::stod(words[++i]);
    else
      homeostat = word;
  }
  if (homeostat.empty()) {
    std::fprintf(stderr, "usage: values_bench HOMEOSTAT [--seconds N] [--rate PER_S]\n");
    return 2;
  }
  const std::string data = fmt::format("{}/values-bench-{}", std::filesystem::temp_directory_path().string(), getpid());
  std::filesystem::create_directories(data);
  std::ofstream(data + "/homeostat.yaml") << configuration();
  const int port = free_port(), redis_port = free_port();
  int failed = 1;
  {
    const Process values({homeostat, "values", "--data", data, "--config", data + "/homeostat.yaml", "--set",
                          fmt::format("listen.values=127.0.0.1:{}", port)});
    const Process redis(
        {"redis-server", "--port", std::to_string(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", data});
    if (!wait_for(port) || !wait_for(redis_port)) {
      std::fprintf(stderr, "homeostat values or redis-server (Debian: redis-server) does not start\n");
      return 2;
    }
    const std::string user = R"({"context":{"targetingKey":"user-1234","service.name":"shop"}})";
    std::vector<Subject> subjects = {{"values, one knob", port, http("/ofrep/v1/evaluate/flags/shop.knob_7", user)},
                                     {"values, 20 knobs in bulk", port, http("/ofrep/v1/evaluate/flags", user)},
                                     {"Redis GET", redis_port, "GET k\r\n"}};
    const size_t bytes = Connection(port).ask(subjects[0].request, 0).size();
    const std::string value(bytes, 'x');
    Connection(redis_port).ask(fmt::format("SET k {}\r\n", value), 5);
    subjects[2].size = fmt::format("${}\r\n{}\r\n", bytes, value).size();
    closed_loop(subjects, 1);  // warm
    for (Subject& s : subjects) s.closed.clear(), s.torn = 0;
    closed_loop(subjects, seconds);
    open_loop(subjects, seconds, rate);
    tell("closed loop, one connection", subjects, &Subject::closed);
    tell(fmt::format("open loop, {:.0f} a second of each on four connections", rate).c_str(), subjects, &Subject::open);
    std::printf("\nanswers in more than one piece: %zu of %zu\n", subjects[0].torn, subjects[0].closed.size());
    const auto slow = [](Subject& s) { return std::max(quantile(s.closed, 0.99), quantile(s.open, 0.99)) > limit_ms; };
    failed = slow(subjects[0]) && !slow(subjects[2]);
  }
  std::filesystem::remove_all(data);
  return failed;
}
