#include "store/engine/session.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace hs::store {
namespace {

constexpr size_t append_bytes = 4 << 20;  // the library copies each piece: a few pieces in flight, not the whole body
constexpr int unknown_exception = 1002;
constexpr int bad_arguments = 36;

// Pointers and sizes as the C interface wants them; views into what it was made from.
class Bound {
 public:
  Bound(std::string_view sql, std::string_view format, const Pairs& params) {
    for (const auto& [name, value] : params) {
      names_.push_back(name.c_str());
      name_sizes_.push_back(name.size());
      values_.push_back(value.c_str());
      value_sizes_.push_back(value.size());
    }
    text_ = ChdbText{sql.data(),         sql.size(),     format.data(),       format.size(), names_.data(),
                     name_sizes_.data(), values_.data(), value_sizes_.data(), names_.size()};
  }
  const ChdbText& text() const { return text_; }

 private:
  std::vector<const char*> names_, values_;
  std::vector<size_t> name_sizes_, value_sizes_;
  ChdbText text_{};
};

}  // namespace

Exception parse_exception(std::string_view text) {
  constexpr std::string_view mark = "Code: ";
  int code = unknown_exception;
  if (const size_t at = text.find(mark); at != std::string_view::npos) {
    const std::string_view digits = text.substr(at + mark.size());
    std::from_chars(digits.data(), digits.data() + digits.size(), code);
  }
  return Exception{code, std::string(text)};
}

Outcome<Session> Session::open(const Chdb& chdb, const std::string& path, const Pairs& settings) {
  std::vector<std::string> words = {"homeostat", "--path=" + path};
  for (const auto& [name, value] : settings) words.push_back("--" + name + "=" + value);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  ChdbConnection* connection = chdb.connect(static_cast<int>(argv.size()), argv.data());
  if (connection == nullptr) {
    return tl::unexpected(Exception{bad_arguments, "Code: 36. DB::Exception: a setting has a value that does not fit"});
  }
  return Session(chdb, connection);
}

Session::Session(Session&& other) noexcept
    : chdb_(other.chdb_),
      connection_(std::exchange(other.connection_, nullptr)),
      stream_(std::exchange(other.stream_, nullptr)),
      progress_(other.progress_) {}

Session::~Session() {
  if (connection_ == nullptr) return;
  cancel();  // closing a connection whose query runs crashes the library
  chdb_->close(connection_);
}

ChdbAnalysis Session::classify(std::string_view sql) const {
  ChdbAnalysis analysis{sizeof(ChdbAnalysis), 0, 0, static_cast<uint32_t>(ChdbClass::unknown)};
  chdb_->classify(*connection_, sql.data(), sql.size(), nullptr, 0, &analysis);
  return analysis;
}

Outcome<void> Session::use(std::string_view database) {
  const bool plain = !database.empty() && std::all_of(database.begin(), database.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
  if (!plain) return tl::unexpected(Exception{81, "Code: 81. DB::Exception: Database does not exist"});
  auto done = run(fmt::format("USE `{}`", database), "Null", {});
  if (!done) return tl::unexpected(std::move(done).error());
  return {};
}

void Session::count(ChdbResult* result) {
  progress_.read_rows += chdb_->storage_rows_read(result);
  progress_.read_bytes += chdb_->storage_bytes_read(result);
  progress_.written_rows += chdb_->rows_written(result);
  progress_.written_bytes += chdb_->bytes_written(result);
  progress_.result_rows += chdb_->rows_read(result);
}

Outcome<Progress> Session::insert(std::string_view statement, std::string_view format, std::string_view data,
                                  const Pairs& params) {
  const Bound bound(statement, format, params);
  ChdbInsert* insert = chdb_->stream_insert(*connection_, bound.text());
  if (const char* error = chdb_->insert_error(insert)) {
    Exception exception = parse_exception(error);
    chdb_->destroy_insert(insert);
    return tl::unexpected(std::move(exception));
  }
  // A failed append is explained by done().
  for (size_t at = 0; at < data.size(); at += append_bytes) {
    const std::string_view piece = data.substr(at, append_bytes);
    if (chdb_->append(insert, piece.data(), piece.size()) != 0) break;
  }
  ChdbResult* result = chdb_->done(insert);
  const char* error = chdb_->error(result);
  Outcome<Progress> outcome = progress_;
  if (error != nullptr) {
    outcome = tl::unexpected(parse_exception(error));
  } else {
    count(result);
    outcome = progress_;
  }
  chdb_->destroy_result(result);
  chdb_->destroy_insert(insert);
  return outcome;
}

Outcome<std::string> Session::run(std::string_view sql, std::string_view format, const Pairs& params) {
  const Bound bound(sql, format, params);
  ChdbResult* result = chdb_->query(*connection_, bound.text());
  Outcome<std::string> outcome;
  if (const char* error = chdb_->error(result)) {
    outcome = tl::unexpected(parse_exception(error));
  } else {
    count(result);
    outcome = std::string(chdb_->buffer(result), chdb_->length(result));
  }
  chdb_->destroy_result(result);
  return outcome;
}

Outcome<void> Session::start(std::string_view sql, std::string_view format, const Pairs& params) {
  const Bound bound(sql, format, params);
  ChdbResult* result = chdb_->stream_query(*connection_, bound.text());
  if (const char* error = chdb_->error(result)) {
    Exception exception = parse_exception(error);
    chdb_->destroy_result(result);
    return tl::unexpected(std::move(exception));
  }
  stream_ = result;
  return {};
}

Outcome<std::string> Session::next() {
  if (stream_ == nullptr) return std::string();
  ChdbResult* piece = chdb_->fetch(*connection_, stream_);
  Outcome<std::string> outcome;
  if (const char* error = chdb_->error(piece)) {
    outcome = tl::unexpected(parse_exception(error));
  } else {
    count(piece);
    if (const size_t size = chdb_->length(piece); size > 0) outcome = std::string(chdb_->buffer(piece), size);
  }
  chdb_->destroy_result(piece);
  if (!outcome || outcome->empty()) {
    chdb_->destroy_result(stream_);
    stream_ = nullptr;
  }
  return outcome;
}

void Session::cancel() {
  if (stream_ == nullptr) return;
  chdb_->cancel_query(*connection_, stream_);
  chdb_->destroy_result(stream_);
  stream_ = nullptr;
}

}  // namespace hs::store
