#include "sources/tail_state.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "io/files.h"

namespace hs::sources {
namespace {

TEST(TailState, ComesBackOrSaysThatItIsDamaged) {
  std::string directory = ::testing::TempDir() + "tail-state-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  const std::string path = directory + "/tail";
  EXPECT_TRUE(load_tail_state(path)->files.empty());
  const TailState state{.observed = 5, .files = {{"/a b\n\xff", 1, 2, 3, UINT64_MAX, 5, 6}, {"/c", 7, 8, 0, 0, 9, 0}}};
  ASSERT_TRUE(save_tail_state(path, state));
  const auto back = load_tail_state(path);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->observed, 5);
  ASSERT_EQ(back->files.size(), 2U);
  EXPECT_EQ(back->files[0].path, state.files[0].path);
  EXPECT_EQ(back->files[0].head_hash, UINT64_MAX);
  EXPECT_EQ(back->files[0].pending, 6U);
  EXPECT_EQ(back->files[1].offset, 9U);
  const std::string text = io::read_file(path, 4096).value();
  for (size_t size = 0; size < text.size(); ++size) {
    ASSERT_TRUE(io::replace_file(path, text.substr(0, size), 0600, io::Durable::content));
    const auto cut = load_tail_state(path);
    if (cut) EXPECT_TRUE(text[size - 1] == '\n') << size;  // a line less is a whole state too; replacing is atomic
  }
}

}  // namespace
}  // namespace hs::sources
