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
#else
constexpr int ROWS = 6;        // 12 of 16
constexpr int UPDATE_ROWS = 4;
#endif

// out[row][PANEL] (+)= sum_c in(row, c) weights[c][PANEL], for R rows.
//
// Channels come in blocks of WIDTH: in(row, c) = in[c / WIDTH * block + row * WIDTH + c % WIDTH].
// Beside it the lines from `next` on are fetched, `ahead` bytes a channel.
template <int R, int V>
void multiply(const float* in, int64_t block, const float* weights, int64_t channels, float* out,
              bool accumulate, const char* next, int64_t ahead) {
  Vec sums[R][V];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++)
      sums[r][v] = accumulate ? load(out + r * PANEL + v * WIDTH) : Vec{};
  for (int64_t first = 0; first < channels; first += WIDTH, in += block) {
    const int64_t some = channels - first < WIDTH ? channels - first : WIDTH;
    for (int64_t c = 0; c < some; c++, weights += PANEL, next += ahead) {
      Vec w[V];
      for (int v = 0; v < V; v++) w[v] = load(weights + v * WIDTH);
      for (int v = 0; v < V; v++) __builtin_prefetch(next + v * 64, 0, 2);
#pragma GCC unroll 16
      for (int r = 0; r < R; r++) {
        const Vec x = broadcast(in[r * WIDTH + c]);
        for (int v = 0; v < V; v++) sums[r][v] += x * w[v];
      }
    }
  }
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
