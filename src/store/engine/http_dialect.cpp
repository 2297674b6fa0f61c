#include "store/engine/http_dialect.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include <fmt/format.h>

#include "base/text.h"
#include "store/engine/sql_text.h"

namespace hs::store {
namespace {

// Arguments of the interface that are no settings. The last group is ours to set.
constexpr std::array<std::string_view, 22> not_settings = {"query",
                                                           "database",
                                                           "default_format",
                                                           "user",
                                                           "password",
                                                           "session_id",
                                                           "session_timeout",
                                                           "session_check",
                                                           "session_timezone",
                                                           "query_id",
                                                           "quota_key",
                                                           "role",
                                                           "compress",
                                                           "decompress",
                                                           "stacktrace",
                                                           "client_protocol_version",
                                                           "wait_end_of_query",
                                                           "buffer_size",
                                                           "close_session",
                                                           "readonly",
                                                           "log_comment",
                                                           "enable_http_compression"};

bool is_setting(std::string_view name) {
  if (name.empty() || name.starts_with("http_") || name.starts_with("send_progress")) return false;
  if (std::find(not_settings.begin(), not_settings.end(), name) != not_settings.end()) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  unsigned difference = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < a.size() && i < b.size(); ++i) difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

std::string credential_of(const http::Request& request) {
  if (const auto key = request.headers.get("X-ClickHouse-Key"); !key.empty()) return std::string(key);
  const std::string_view given = request.headers.get("Authorization");
  if (given.starts_with("Bearer ")) return std::string(given.substr(7));
  if (given.starts_with("Basic ")) {
    const auto pair = from_base64(given.substr(6));
    if (pair && pair->find(':') != std::string::npos) return pair->substr(pair->find(':') + 1);
  }
  return std::string(request.query_value("password"));
}

int status_of(int exception) {
  switch (exception) {
    case 60:  // UNKNOWN_TABLE
    case 81:  // UNKNOWN_DATABASE
      return 404;
    case 164:  // READONLY
    case 497:  // ACCESS_DENIED
    case 516:  // AUTHENTICATION_FAILED
      return 403;
    case 202:  // TOO_MANY_SIMULTANEOUS_QUERIES
      return 503;
    case 159:  // TIMEOUT_EXCEEDED
      return 408;
    case 241:  // MEMORY_LIMIT_EXCEEDED
    case 243:  // NOT_ENOUGH_SPACE
    case 394:  // QUERY_WAS_CANCELLED
    case 1002:
      return 500;
    default:
      return 400;
  }
}

void common_headers(http::Response& response, std::string_view id) {
  response.headers.set("X-ClickHouse-Server-Display-Name", "homeostat");
  response.headers.set("X-ClickHouse-Timezone", "UTC");
  response.headers.set("X-ClickHouse-Query-Id", id);
}

}  // namespace

namespace {

void add_argument(std::string_view name, std::string_view value, UrlArguments& arguments) {
  if (name == "query") arguments.query = value;
  if (name == "database") arguments.database = value;
  if (name == "default_format" && !value.empty()) arguments.format = value;
  if (name.starts_with("param_")) {
    arguments.params.emplace_back(name.substr(6), value);
  } else if (is_setting(name)) {
    arguments.settings.emplace_back(name, value);
  }
}

// The value of `key="..."` in a header.
std::string_view quoted_in(std::string_view header, std::string_view key) {
  const size_t at = header.find(fmt::format("{}=\"", key));
  if (at == std::string_view::npos) return {};
  const std::string_view rest = header.substr(at + key.size() + 2);
  return rest.substr(0, rest.find('"'));
}

}  // namespace

bool add_form(const http::Request& request, std::string_view body, UrlArguments& arguments) {
  const std::string_view type = request.headers.get("Content-Type");
  const size_t at = type.find("boundary=");
  if (!type.starts_with("multipart/form-data") || at == std::string_view::npos) return false;
  const std::string mark = fmt::format("--{}", type.substr(at + std::string_view("boundary=").size()));
  size_t part = body.find(mark);
  while (part != std::string_view::npos) {
    part += mark.size();
    const size_t end = body.find("\r\n" + mark, part);
    const size_t blank = body.find("\r\n\r\n", part);
    if (end == std::string_view::npos || blank == std::string_view::npos || blank > end) break;
    const std::string_view name = quoted_in(body.substr(part, blank - part), "name");
    if (!name.empty()) add_argument(name, body.substr(blank + 4, end - blank - 4), arguments);
    part = end + 2;
  }
  return true;
}

UrlArguments parse_arguments(const http::Request& request) {
  UrlArguments arguments;
  if (const auto format = request.headers.get("X-ClickHouse-Format"); !format.empty()) arguments.format = format;
  if (const auto db = request.headers.get("X-ClickHouse-Database"); !db.empty()) arguments.database = db;
  for (const auto& [name, value] : request.query) add_argument(name, value, arguments);
  return arguments;
}

bool looks_like_insert(const http::Request& request) {
  std::string_view text = request.query_value("query");
  if (text.empty()) text = std::string_view(request.body).substr(0, 64);  // of a compressed body: no insert, no harm
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0) text.remove_prefix(1);
  constexpr std::string_view word = "insert";
  return text.size() > word.size() && std::equal(word.begin(), word.end(), text.begin(), [](char a, char b) {
           return a == std::tolower(static_cast<unsigned char>(b));
         });
}

bool may_enter(const http::Request& request, std::string_view token) {
  return !token.empty() && equal_in_constant_time(credential_of(request), token);
}

void bound_setting(Pairs& settings, std::string_view name, int64_t least, int64_t most) {
  for (auto& [key, value] : settings) {
    if (key != name) continue;
    double number = 0;  // clients write 0.5, too
    const char* end = value.data() + value.size();
    const auto parsed = std::from_chars(value.data(), end, number);
    if (parsed.ec != std::errc() || parsed.ptr != end) return;  // the engine says what is wrong with it
    if (number < static_cast<double>(least) || number > static_cast<double>(most)) value = std::to_string(most);
    return;
  }
  settings.emplace_back(name, std::to_string(most));
}

http::Response result_response(std::string body, std::string_view format, const Progress& progress,
                               std::string_view id) {
  http::Response response;
  response.body = std::move(body);
  common_headers(response, id);
  response.headers.set("Content-Type", format.starts_with("JSON") ? "application/json; charset=UTF-8"
                                       : format.starts_with("T")  ? "text/tab-separated-values; charset=UTF-8"
                                                                  : "application/octet-stream");
  response.headers.set("X-ClickHouse-Format", format);
  response.headers.set("X-ClickHouse-Summary",
                       fmt::format(R"({{"read_rows":"{}","read_bytes":"{}","written_rows":"{}","written_bytes":"{}",)"
                                   R"("total_rows_to_read":"0","result_rows":"{}","result_bytes":"{}"}})",
                                   progress.read_rows, progress.read_bytes, progress.written_rows,
                                   progress.written_bytes, progress.result_rows, response.body.size()));
  return response;
}

http::Response exception_response(const Exception& exception, std::string_view id) {
  http::Response response = http::Response::text(status_of(exception.code), exception.text + "\n");
  common_headers(response, id);
  response.headers.set("X-ClickHouse-Exception-Code", std::to_string(exception.code));
  return response;
}

}  // namespace hs::store
