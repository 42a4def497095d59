// Matrix products of the transformed domain, in registers.
//
// PANEL columns (output channels) are two vectors wide; a panel of weights is [depth][PANEL].
#pragma once
#include <algorithm>
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

// What is fetched beside products, from `next` on: `bytes` for each channel of a stretch. Few of them
// go to the first cache, a line every SELDOM channels; a faster stream would not get through there
// and goes to the second.
struct Stream {
  const char* next;
  int64_t bytes;
};
constexpr int64_t SELDOM = 4, OFTEN = 2;  // channels
constexpr int64_t FEW_BYTES = WIDTH == 8 ? 64 / SELDOM : 0;  // not measured with longer vectors

// Bring the lines of the cache near that begin in `bytes` from `next` on.
INLINE void fetch_second(Stream stream) {
  const char* line = stream.next + (-reinterpret_cast<uintptr_t>(stream.next) & 63);
  for (; line < stream.next + stream.bytes; line += 64) __builtin_prefetch(line, 0, 2);
}

// The sums of R rows by V vectors, in registers.
template <int R, int V>
struct Rows {
  Vec at[R][V];

  INLINE explicit Rows(const float* from) {
    for (int r = 0; r < R; r++)
      for (int v = 0; v < V; v++) at[r][v] = from ? load(from + r * PANEL + v * WIDTH) : Vec{};
  }
  INLINE void add(const float* in, const float* weights) {
    Vec w[V];
    for (int v = 0; v < V; v++) w[v] = load(weights + v * WIDTH);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const Vec x = broadcast(in[r * WIDTH]);
      for (int v = 0; v < V; v++) at[r][v] += x * w[v];
    }
  }
  INLINE void put(float* out) const {
    for (int r = 0; r < R; r++)
      for (int v = 0; v < V; v++) store(out + r * PANEL + v * WIDTH, at[r][v]);
  }
};

// out[row][PANEL] (+)= sum_c in(row, c) weights[c][PANEL], for R rows.
//
// Channels come in blocks of WIDTH: in(row, c) = in[c / WIDTH * block + row * WIDTH + c % WIDTH].
// Whole stretches of them have a loop of their own, with few branches and nothing else in it: the
// compiler keeps the sums in the same registers there, and the processor guesses its end.
constexpr int64_t STRETCH = 32;  // channels

template <int R, int V, bool FEW, bool MORE>
APART void multiply_stretches(const float* in, int64_t block, const float* weights,
                              int64_t stretches, float* out, Stream stream) {
  Rows<R, V> rows(MORE ? out : nullptr);
  const int64_t ahead = stream.bytes * (FEW ? SELDOM : OFTEN);
  do {
#pragma GCC unroll 4
    for (int64_t b = 0; b < STRETCH; b += WIDTH, in += block, weights += WIDTH * PANEL)
#pragma GCC unroll 16
      for (int64_t c = 0; c < WIDTH; c++) {
        if (FEW && c % SELDOM == 0) __builtin_prefetch(stream.next, 0, 3), stream.next += ahead;
        if (!FEW && c % OFTEN == 0) fetch_second({stream.next, ahead}), stream.next += ahead;
        rows.add(in + c, weights + c * PANEL);
        // Without this the compiler gathers all fetches at the beginning.
        if (c % 2) asm volatile("" : "+r"(in), "+r"(weights), "+r"(stream.next));
      }
  } while (--stretches > 0);
  rows.put(out);
}
// The channels that fill no stretch.
template <int R, int V, bool MORE>
APART void multiply_rest(const float* in, int64_t block, const float* weights, int64_t channels,
                         float* out) {
  Rows<R, V> rows(MORE ? out : nullptr);
  for (; channels > 0; channels -= WIDTH, in += block)
    for (int64_t c = 0; c < std::min<int64_t>(WIDTH, channels); c++, weights += PANEL)
      rows.add(in + c, weights);
  rows.put(out);
}

// Any number of channels; `more` is added to what is there already. Beside it `stream` is fetched.
template <int R, int V>
void multiply(const float* in, int64_t block, const float* weights, int64_t channels, float* out,
              bool more, Stream stream) {
  const int64_t stretches = channels / STRETCH, whole = stretches * STRETCH;
  if (stretches > 0) {
    const bool few = stream.bytes <= FEW_BYTES;
    (few ? more ? multiply_stretches<R, V, true, true> : multiply_stretches<R, V, true, false>
         : more ? multiply_stretches<R, V, false, true> : multiply_stretches<R, V, false, false>)(
        in, block, weights, stretches, out, stream);
    in += whole / WIDTH * block, weights += whole * PANEL, more = true;
  }
  if (whole < channels)
    (more ? multiply_rest<R, V, true> : multiply_rest<R, V, false>)(in, block, weights,
                                                                    channels - whole, out);
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
