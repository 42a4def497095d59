// Matrix products of the transformed domain, in registers.
//
// PANEL columns (output channels) are VECTORS wide; a panel of weights is [depth][PANEL].
#pragma once
#include <algorithm>
#include <array>

#include "vector.h"

// The nearer to a square, the fewer loads: 6 x 4 vectors take 10 for 24 products, 12 x 2 take 14.
#if defined(__AVX512F__)
constexpr int VECTORS = 4;
constexpr int SUMS = 24;  // of 32 registers
#else
constexpr int VECTORS = 2;
constexpr int SUMS = 12;  // of 16
#endif
constexpr int PANEL = VECTORS * WIDTH;

// Rows at a time by some vectors of a panel; the others are empty.
constexpr int most_rows(int64_t vectors) { return std::min(SUMS / static_cast<int>(vectors), 12); }

// What is fetched beside products, from `next` on: `bytes` for each channel of a stretch. Few of them
// are a line every SELDOM channels, which with AVX2 goes to the first cache; a faster stream would
// not get through there and goes to the second.
struct Stream {
  const char* next;
  int64_t bytes;
};
constexpr int64_t SELDOM = WIDTH == 8 ? 4 : 2, OFTEN = 2;  // channels
constexpr int64_t FEW_BYTES = 64 / SELDOM;
constexpr int FEW_LEVEL = WIDTH == 8 ? 3 : 2;  // for __builtin_prefetch, where 3 is the first

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
  template <int STEP>  // between rows of `in`
  INLINE void add(const float* in, const float* weights) {
    Vec w[V];
    for (int v = 0; v < V; v++) w[v] = load(weights + v * WIDTH);
#pragma GCC unroll 16
    for (int r = 0; r < R; r++) {
      const Vec x = broadcast(in[r * STEP]);
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
        if (FEW && c % SELDOM == 0) __builtin_prefetch(stream.next, 0, FEW_LEVEL), stream.next += ahead;
        if (!FEW && c % OFTEN == 0) fetch_second({stream.next, ahead}), stream.next += ahead;
        rows.template add<WIDTH>(in + c, weights + c * PANEL);
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
      rows.template add<WIDTH>(in + c, weights);
  rows.put(out);
}

// Any number of channels; `more` is added to what is there already. Beside it `stream` is fetched.
struct Multiply {
  template <int R, int V>
  static void call(const float* in, int64_t block, const float* weights, int64_t channels,
                   float* out, bool more, Stream stream) {
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
};

// out[c][PANEL] (+)= sum_t in[t * WIDTH + c] gradients[t][PANEL], for R channels of one block.
struct Update {
  template <int R, int V>
  static void call(const float* in, const float* gradients, int64_t tiles, float* out,
                   bool accumulate) {
    Rows<R, V> sums(accumulate ? out : nullptr);
    for (int64_t t = 0; t < tiles; t++, in += WIDTH, gradients += PANEL)
      sums.template add<1>(in, gradients);
    sums.put(out);
  }
};

template <class Kernel, int V, int... R>
constexpr auto of_rows(std::integer_sequence<int, R...>) {
  return std::array{Kernel::template call<R + 1, V>...};
}

// Multiply or Update, for any number of rows up to `most_rows(vectors)`.
template <class Kernel, int V = VECTORS, class... Arguments>
INLINE void with_rows(int64_t rows, int64_t vectors, Arguments... arguments) {
  if constexpr (V > 1)
    if (vectors < V) return with_rows<Kernel, V - 1>(rows, vectors, arguments...);
  static constexpr auto kernels =
      of_rows<Kernel, V>(std::make_integer_sequence<int, most_rows(V)>{});
  kernels[rows - 1](arguments...);
}
