#include "sources/file_records.h"

#include <gtest/gtest.h>

namespace hs::sources {
namespace {

std::vector<std::string> texts(const FileRecords& records) {
  std::vector<std::string> out;
  for (const FileRecord& r : records.records) out.push_back(r.text);
  return out;
}
using Texts = std::vector<std::string>;

TEST(FileRecords, LinesThatAreWhole) {
  const auto wait = split_records("one\ntwo\r\nthr", Rest::wait);
  EXPECT_EQ(texts(wait), (Texts{"one"}));  // two may go on
  EXPECT_EQ(wait.used, 4U);
  const auto lines = split_records("one\ntwo\r\nthr", Rest::lines);
  EXPECT_EQ(texts(lines), (Texts{"one", "two"}));
  EXPECT_EQ(lines.used, 9U);
  const auto all = split_records("one\ntwo\r\nthr", Rest::all);
  EXPECT_EQ(texts(all), (Texts{"one", "two", "thr"}));
  EXPECT_EQ(all.used, 12U);
  EXPECT_EQ(split_records("", Rest::all).used, 0U);
}

TEST(FileRecords, StackTraces) {
  const std::string java = "ERROR boom\njava.lang.X: y\n\tat a.b(C.java:1)\nCaused by: z\n\t... 3 more\nnext\n";
  EXPECT_EQ(texts(split_records(java, Rest::lines)),
            (Texts{"ERROR boom", "java.lang.X: y\n\tat a.b(C.java:1)\nCaused by: z\n\t... 3 more", "next"}));
  const std::string python =
      "ERROR boom\nTraceback (most recent call last):\n  File \"a\"\n    x()\nValueError: y\nnext\n";
  EXPECT_EQ(texts(split_records(python, Rest::lines)),
            (Texts{"ERROR boom\nTraceback (most recent call last):\n  File \"a\"\n    x()\nValueError: y", "next"}));
}

TEST(FileRecords, Containers) {
  const auto docker = split_records(
      "{\"log\":\"half \",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:05.5Z\"}\n"
      "{\"log\":\"whole \\u00e9\\n\",\"stream\":\"stderr\",\"time\":\"2026-01-02T03:04:06Z\"}\n"
      "{\"log\":\"  out\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-02T03:04:07Z\"}\n",
      Rest::lines);
  EXPECT_EQ(texts(docker), (Texts{"half whole \xC3\xA9", "  out"}));
  EXPECT_EQ(docker.records[0].stream, "stderr");
  EXPECT_EQ(docker.records[0].time, parse_time("2026-01-02T03:04:05.5Z").value());
  const auto cri = split_records(
      "2026-01-02T03:04:05.000000001Z stdout P a\n2026-01-02T03:04:06Z stdout F b\n"
      "2026-01-02T03:04:07+01:00 stderr F   c\n2026-01-02T03:04:07Z other F x\n",
      Rest::lines);
  EXPECT_EQ(texts(cri), (Texts{"ab", "  c", "2026-01-02T03:04:07Z other F x"}));
  EXPECT_EQ(cri.records[0].time % 10, 1);
  EXPECT_EQ(cri.records[1].stream, "stderr");
}

// What was cut off as whole once is cut again into the same records, wherever the file ended at that time.
TEST(FileRecords, TheSameAgain) {
  const std::string bytes = "a\n b\nERROR\nTraceback (most recent call last):\n f\nV: y\nlast\n{\"log\":\"x\\n\"}\n";
  for (size_t size = 0; size <= bytes.size(); ++size)
    for (const Rest rest : {Rest::wait, Rest::lines, Rest::all}) {
      const auto once = split_records(std::string_view(bytes).substr(0, size), rest);
      const auto again = split_records(std::string_view(bytes).substr(0, once.used), Rest::all);
      EXPECT_EQ(texts(once), texts(again)) << size;
      EXPECT_EQ(again.used, once.used);
    }
}

TEST(FileRecords, Bounds) {
  const std::string line(3 * record_bytes_max, 'x');
  const auto cut = split_records(line, Rest::wait);
  EXPECT_EQ(cut.used, 2 * record_bytes_max);
  EXPECT_EQ(cut.records.size(), 2U);
  std::string trace = "E\n";
  for (size_t i = 0; i < 2 * record_lines_max; ++i) trace += "\tat x\n";
  EXPECT_GT(split_records(trace, Rest::lines).records.size(), 2U);
}

TEST(FileRecords, Pods) {
  const PodPath pod = pod_of("/var/log/pods/shop_cart-7f_0b1c/server/0.log");
  EXPECT_EQ(pod.name_space, "shop");
  EXPECT_EQ(pod.pod, "cart-7f");
  EXPECT_EQ(pod.container, "server");
  EXPECT_EQ(pod_of("/var/log/app.log").pod, "");
  EXPECT_EQ(pod_of("/var/log/pods/x").pod, "");
}

}  // namespace
}  // namespace hs::sources
