#include "store/engine/sql_text.h"

#include <gtest/gtest.h>

using hs::store::is_concatenable;
using hs::store::is_select;
using hs::store::output_format;
using hs::store::split_insert;

TEST(SqlText, SplitsAnInsertFromItsData) {
  const auto insert = split_insert("INSERT INTO t (a, `b;c`) FORMAT Native\n\x01\x02\n\n;drop table t");
  ASSERT_TRUE(insert);
  EXPECT_EQ(insert->statement, "INSERT INTO t (a, `b;c`) ");
  EXPECT_EQ(insert->format, "Native");
  EXPECT_EQ(insert->data, "\x01\x02\n\n;drop table t");
}

TEST(SqlText, ValuesAreDataToo) {
  const auto insert = split_insert("insert into t values (1, 'x'), (2, ');drop')");
  ASSERT_TRUE(insert);
  EXPECT_EQ(insert->statement, "insert into t ");
  EXPECT_EQ(insert->format, "Values");
  EXPECT_EQ(insert->data, " (1, 'x'), (2, ');drop')");
}

TEST(SqlText, AColumnMayBeCalledFormat) {
  const auto insert = split_insert("INSERT INTO t (format, values) FORMAT CSV\n1,2");
  ASSERT_TRUE(insert);
  EXPECT_EQ(insert->format, "CSV");
  EXPECT_EQ(insert->data, "1,2");
}

TEST(SqlText, AnInsertWithoutFormatHasNoData) {
  const auto insert = split_insert("/* x */ INSERT INTO t ; \n");
  ASSERT_TRUE(insert);
  EXPECT_EQ(insert->statement, "/* x */ INSERT INTO t");
  EXPECT_EQ(insert->format, "");
}

TEST(SqlText, OtherStatementsAreNoInserts) {
  EXPECT_FALSE(split_insert("SELECT 'insert into t values (1)'"));
  EXPECT_FALSE(split_insert("INSERT INTO t SELECT 1"));
  EXPECT_FALSE(split_insert("-- insert into t\nselect 1"));
  EXPECT_FALSE(split_insert(""));
}

TEST(SqlText, FindsTheOutputFormat) {
  EXPECT_EQ(output_format("select 1 format JSON"), "JSON");
  EXPECT_EQ(output_format("select 1 FORMAT Native SETTINGS a=1"), "Native");
  EXPECT_EQ(output_format("select 'format JSON'"), "");
  EXPECT_EQ(output_format("select (format) from t"), "");
  EXPECT_EQ(output_format("select 1 -- format JSON"), "");
}

TEST(SqlText, KnowsASelect) {
  EXPECT_TRUE(is_select("/* x */ SELECT 1"));
  EXPECT_TRUE(is_select("with 1 as x select x"));
  EXPECT_TRUE(is_select("(select 1) union all (select 2)"));
  EXPECT_FALSE(is_select("describe table t"));
  EXPECT_FALSE(is_select(""));
}

TEST(SqlText, OnlyRowFormatsStream) {
  EXPECT_TRUE(is_concatenable("Native"));
  EXPECT_FALSE(is_concatenable("JSON"));
  EXPECT_FALSE(is_concatenable("CSVWithNames"));
  EXPECT_FALSE(is_concatenable(""));
}
