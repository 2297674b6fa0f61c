#pragma once
// Explanations against the truth, on random applications.

#include <cstdint>

int causes(int seeds, const char* only);
