// Matrix products of the transformed domain, in registers.
//
// PANEL columns (output channels) are two vectors wide; a panel of weights is [depth][PANEL].
#pragma once
#include <array>

#include "vector.h"

constexpr int PANEL = 2 * WIDTH;
#if defined(__AVX512F__)
constexpr int ROWS = 12;       // 24 of 32 registers accumulate
constexpr int UPDATE_ROWS = 8;
constexpr int64_t FEW_BYTES = 0;   // not measured there
#else
constexpr int ROWS = 6;        // 12 of 16
constexpr int UPDATE_ROWS = 4;
constexpr int64_t FEW_BYTES = 32;
#endif

constexpr int64_t STEP = 2;  // channels between fetches

// Bring near the lines of the cache that begin in `bytes` from `from` on: into the first cache if
// these are few; a faster stream would not get through there, and goes to the second.
INLINE void fetch(const char* from, int64_t bytes) {
  const char* end = from + bytes;
  const char* line = from + (-reinterpret_cast<uintptr_t>(from) & 63);
  if (bytes <= FEW_BYTES)
    for (; line < end; line += 64) __builtin_prefetch(line, 0, 3);
  else
    for (; line < end; line += 64) __builtin_prefetch(line, 0, 2);
}

// out[row][PANEL] (+)= sum_c in(row, c) weights[c][PANEL], for R rows.
//
// Channels come in blocks of WIDTH: in(row, c) = in[c / WIDTH * block + row * WIDTH + c % WIDTH].
// Beside it what lies from `next` on is fetched, `ahead` bytes in STEP channels.
template <int R, int V>
void multiply(const float* in, int64_t block, const float* weights, int64_t channels, float* out,
              bool accumulate, const char* next, int64_t ahead) {
  Vec sums[R][V];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++)
      sums[r][v] = accumulate ? load(out + r * PANEL + v * WIDTH) : Vec{};
  const auto add = [&](int64_t c) __attribute__((always_inline)) {
    Vec w[V];
    for (int v = 0; v < V; v++) w[v] = load(weights + c * PANEL + v * WIDTH);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const Vec x = broadcast(in[r * WIDTH + c]);
      for (int v = 0; v < V; v++) sums[r][v] += x * w[v];
    }
  };
  for (; channels >= WIDTH; channels -= WIDTH, in += block, weights += WIDTH * PANEL) {
#pragma GCC unroll 16
    for (int64_t c = 0; c < WIDTH; c++) {
      if (c % STEP == 0) fetch(next, ahead), next += ahead;
      add(c);
    }
  }
  for (int64_t c = 0; c < channels; c++) add(c);
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++) store(out + r * PANEL + v * WIDTH, sums[r][v]);
}

template <int V, int... R>
constexpr auto multiplies(std::integer_sequence<int, R...>) {
  return std::array{multiply<R + 1, V>...};
}

// The same for any number of rows up to ROWS; `narrow` if the panel's second vector is empty.
template <class... Arguments>
INLINE void multiply_rows(int64_t rows, bool narrow, Arguments... arguments) {
  static constexpr std::make_integer_sequence<int, ROWS> all{};
  static constexpr std::array kernels{multiplies<2>(all), multiplies<1>(all)};
  kernels[narrow][rows - 1](arguments...);
}

// out[c][PANEL] (+)= sum_t in[t * WIDTH + c] gradients[t][PANEL], for R channels of one block.
template <int R>
void update(const float* in, const float* gradients, int64_t tiles, float* out, bool accumulate) {
  Vec sums[R][2];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < 2; v++)
      sums[r][v] = accumulate ? load(out + r * PANEL + v * WIDTH) : Vec{};
  for (int64_t t = 0; t < tiles; t++, in += WIDTH, gradients += PANEL) {
    const Vec g0 = load(gradients), g1 = load(gradients + WIDTH);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const Vec x = broadcast(in[r]);
      sums[r][0] += x * g0;
      sums[r][1] += x * g1;
    }
  }
  for (int r = 0; r < R; r++)
    for (int v = 0; v < 2; v++) store(out + r * PANEL + v * WIDTH, sums[r][v]);
}

template <int... R>
constexpr auto updates(std::integer_sequence<int, R...>) {
  return std::array{update<R + 1>...};
}

// The same for any number of channels up to UPDATE_ROWS.
template <class... Arguments>
INLINE void update_rows(int64_t rows, Arguments... arguments) {
  static constexpr auto kernels = updates(std::make_integer_sequence<int, UPDATE_ROWS>{});
  kernels[rows - 1](arguments...);
}
