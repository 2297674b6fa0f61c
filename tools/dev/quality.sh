# ./dev fmt, tidy, ci

cmd_fmt() { git ls-files -co --exclude-standard "*.h" "*.cpp" | xargs -r clang-format-19 -i; }

cmd_tidy() { python3 tools/tidy.py; }

cmd_ci() { cmd_test; }
