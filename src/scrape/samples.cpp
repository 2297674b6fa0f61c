#include "scrape/samples.h"

#include <algorithm>
#include <array>
#include <bit>

#include <fmt/format.h>

namespace hs::scrape {
namespace {

using model::Attribute;
using wire::prometheus::Exposition;
using wire::prometheus::WriteEncoder;

constexpr size_t part_bytes = 2 << 20;               // the journal takes several requests as gladly as a large one
constexpr int64_t families_again_ms = 3600 * 1000;   // the store drops metadata with the hours that they came in
constexpr uint64_t stale_bits = 0x7ff0000000000002;  // Prometheus' marker of an end
constexpr std::array<std::string_view, 5> report_names = {"up", "scrape_duration_seconds", "scrape_samples_scraped",
                                                          "scrape_samples_post_metric_relabeling",
                                                          "scrape_series_added"};
constexpr std::array<std::string_view, 8> type_names = {"unknown",        "counter", "gauge", "histogram",
                                                        "gaugehistogram", "summary", "info",  "stateset"};

double stale_marker() { return std::bit_cast<double>(stale_bits); }

void sort_labels(Labels& labels) {
  std::sort(labels.begin(), labels.end(), [](const Attribute& a, const Attribute& b) { return a.key < b.key; });
}

class Builder {
 public:
  Builder(Target& target, int64_t time_ms) : target_(target), config_(target.job->config), time_ms_(time_ms) {
    for (const auto& [name, value] : target.labels) own_.push_back({name, value});
  }

  // False: a limit was broken.
  bool add(const Exposition& answer) {
    out_.scraped = answer.size();
    size_t exemplar = 0;
    for (size_t row = 0; row < answer.size(); ++row) {
      const size_t first = exemplar;
      while (exemplar < answer.exemplars.size() && answer.exemplars[exemplar].sample == row) ++exemplar;
      if (!add_row(answer, row, {answer.exemplars.data() + first, exemplar - first})) return false;
    }
    return true;
  }

  void add_families(const Exposition& answer) {
    for (const Exposition::Family& family : answer.families) {
      const uint64_t content = hash64(family.help, hash64(family.unit, static_cast<uint64_t>(family.type)));
      SeriesMemory::Told& told = target_.memory.families[std::string(family.name)];
      if (told.content == content && told.at_ms + families_again_ms > time_ms_) continue;
      told = {content, time_ms_};
      part().family(family.name, family.type, family.help, family.unit);
    }
  }

  void add_stale() {
    target_.memory.end([&](const Labels& labels, bool histogram) {
      if (histogram)
        part().stale_histogram(labels, time_ms_);
      else
        part().sample(labels, time_ms_, stale_marker());
    });
  }

  void report(const std::array<double, report_names.size()>& values) {
    for (size_t i = 0; i < values.size(); ++i) {
      Labels labels = own_;
      set_label(labels, "__name__", report_names[i]);
      part().sample(labels, time_ms_, values[i]);
    }
  }

  void fail_with(Status why) {
    out_.status = std::move(why);
    out_.parts.clear();
    target_.memory.roll_back();  // nothing of this scrape counts
    out_.added = 0;
    target_.memory.families.clear();  // what was to be told was not
  }
  Samples& out() { return out_; }

 private:
  WriteEncoder& part() {
    if (out_.parts.empty() || out_.parts.back().size() > part_bytes) out_.parts.emplace_back();
    return out_.parts.back();
  }

  bool add_row(const Exposition& answer, size_t row, std::span<const Exposition::Exemplar> exemplars) {
    labels_.assign(answer.labels.begin(row), answer.labels.end(row));
    merge();
    if (!target_.job->metric_relabel.empty() && !target_.job->metric_relabel.apply(labels_, arena_)) return true;
    std::erase_if(labels_, [](const Attribute& a) { return a.value.empty(); });
    if (value_of(labels_, "__name__").empty()) return refuse("a sample has no name after relabelling");
    if (!within_limits()) return false;
    sort_labels(labels_);
    const int64_t given = config_.honor_timestamps ? answer.time_ms[row] : Exposition::no_time;
    const bool own_time = given != Exposition::no_time;
    const bool histogram = answer.histogram[row] != Exposition::no_histogram;
    if (target_.memory.seen(labels_, histogram, !own_time || config_.track_timestamps_staleness)) ++out_.added;
    const WriteEncoder::Sample sample{own_time ? given : time_ms_, answer.value[row], answer.start_ms[row]};
    std::vector<WriteEncoder::Exemplar> with;
    for (const Exposition::Exemplar& e : exemplars)
      with.push_back({e.labels, e.time_ms == Exposition::no_time ? sample.time_ms : e.time_ms, e.value});
    if (histogram)
      part().histogram_message(labels_, answer.histograms[answer.histogram[row]], sample, with);
    else
      part().series(labels_, {&sample, 1}, with);
    return true;
  }

  // The target's labels come in; of two with one name, honor_labels says which one keeps it.
  void merge() {
    if (config_.honor_labels) {
      for (const Attribute& own : own_)
        if (std::none_of(labels_.begin(), labels_.end(), [&](const Attribute& a) { return a.key == own.key; }))
          labels_.push_back(own);
      return;
    }
    const auto taken = [&](std::string_view name) {
      const auto same = [&](const Attribute& a) { return a.key == name; };
      return std::any_of(own_.begin(), own_.end(), same) || std::any_of(labels_.begin(), labels_.end(), same);
    };
    for (const Attribute& own : own_)
      for (Attribute& a : labels_) {
        if (a.key != own.key) continue;
        std::string name = "exported_" + std::string(a.key);
        while (taken(name)) name.insert(0, "exported_");
        a.key = arena_.copy(name);
      }
    labels_.insert(labels_.end(), own_.begin(), own_.end());
  }

  bool refuse(std::string why) {
    out_.status = fail(Code::invalid_argument, std::move(why));
    return false;
  }

  bool within_limits() {
    const auto name = [&] { return value_of(labels_, "__name__"); };
    ++out_.kept;
    if (config_.sample_limit > 0 && out_.kept > config_.sample_limit) return refuse("sample limit exceeded");
    if (config_.label_limit > 0 && labels_.size() > config_.label_limit)
      return refuse(fmt::format("label_limit exceeded (metric: {}, number of labels: {}, limit: {})", name(),
                                labels_.size(), config_.label_limit));
    for (const Attribute& a : labels_) {
      if (config_.label_name_length_limit > 0 && a.key.size() > config_.label_name_length_limit)
        return refuse(
            fmt::format("label_name_length_limit exceeded (metric: {}, label name: {}, length: {}, limit: {})", name(),
                        a.key, a.key.size(), config_.label_name_length_limit));
      if (config_.label_value_length_limit > 0 && a.value.size() > config_.label_value_length_limit)
        return refuse(
            fmt::format("label_value_length_limit exceeded (metric: {}, label name: {}, length: {}, limit: {})", name(),
                        a.key, a.value.size(), config_.label_value_length_limit));
    }
    return true;
  }

  Target& target_;
  const config::ScrapeJob& config_;
  const int64_t time_ms_;
  Labels own_, labels_;
  model::Arena arena_;
  Samples out_;
};

}  // namespace

Samples samples_of(Target& target, const Scrape& scrape) {
  Builder builder(target, scrape.time_ms);
  target.memory.begin();
  if (!scrape.status) {
    builder.fail_with(scrape.status);
  } else if (!builder.add(*scrape.answer)) {
    builder.fail_with(builder.out().status);
  } else {
    builder.add_families(*scrape.answer);
  }
  builder.add_stale();
  const Samples& so_far = builder.out();
  builder.report({so_far.status ? 1.0 : 0.0, scrape.duration_s, static_cast<double>(so_far.scraped),
                  static_cast<double>(so_far.kept), static_cast<double>(so_far.added)});
  return std::move(builder.out());
}

Samples end_of(Target& target, int64_t time_ms) {
  Builder builder(target, time_ms);
  target.memory.begin();
  builder.add_stale();
  std::array<double, report_names.size()> stale{};
  stale.fill(stale_marker());
  builder.report(stale);
  return std::move(builder.out());
}

std::map<std::string, Metadata> metadata_of(const Exposition& answer) {
  std::map<std::string, Metadata> out;
  for (const Exposition::Family& f : answer.families)
    out[std::string(f.name)] = {std::string(type_names[static_cast<size_t>(f.type)]), std::string(f.help),
                                std::string(f.unit)};
  return out;
}

}  // namespace hs::scrape
