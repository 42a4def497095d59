// One SIMD vector of floats; the width is that of the instruction set compiled for.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <utility>

#define INLINE inline __attribute__((always_inline))

#if defined(__AVX512F__)
constexpr int WIDTH = 16;
#elif defined(__AVX2__)
constexpr int WIDTH = 8;
#else
#error "the kernels need AVX2 or AVX-512"
#endif

// Unaligned: a row of an image may begin anywhere.
typedef float Vec __attribute__((vector_size(WIDTH * sizeof(float)), aligned(4), may_alias));

INLINE Vec load(const float* from) { return *reinterpret_cast<const Vec*>(from); }
INLINE void store(float* to, Vec value) { *reinterpret_cast<Vec*>(to) = value; }
INLINE Vec broadcast(float value) {
#if defined(__AVX512F__)
  return (Vec)_mm512_set1_ps(value);
#else
  return (Vec)_mm256_set1_ps(value);
#endif
}

// The first `count` lanes; the others are zero, or left as they are in memory.
INLINE Vec load_first(const float* from, int count) {
  Vec value{};
  std::memcpy(&value, from, count * sizeof(float));
  return value;
}
INLINE void store_first(float* to, Vec value, int count) {
  std::memcpy(to, &value, count * sizeof(float));
}

// The lanes of a and b that one stage of a transpose gathers into a row, and into its partner.
template <int STEP, bool SECOND, int... LANE>
INLINE Vec interleave(Vec a, Vec b, std::integer_sequence<int, LANE...>) {
  typedef int Mask __attribute__((vector_size(WIDTH * sizeof(int))));
  constexpr int shift = SECOND ? 0 : STEP;
  return __builtin_shuffle(a, b, Mask{(LANE & STEP ? WIDTH + LANE - shift
                                                   : LANE + STEP - shift)...});
}
template <int STEP>
INLINE void transpose_by(Vec (&rows)[WIDTH]) {
#pragma GCC unroll 16
  for (int i = 0; i < WIDTH; i++)
    if (!(i & STEP)) {
      const Vec a = rows[i], b = rows[i + STEP];
      rows[i] = interleave<STEP, false>(a, b, std::make_integer_sequence<int, WIDTH>{});
      rows[i + STEP] = interleave<STEP, true>(a, b, std::make_integer_sequence<int, WIDTH>{});
    }
}

// Rows become columns, in place.
INLINE void transpose(Vec (&rows)[WIDTH]) {
  transpose_by<1>(rows);
  transpose_by<2>(rows);
  transpose_by<4>(rows);
  if constexpr (WIDTH > 8) transpose_by<8>(rows);
}
