// One SIMD vector of floats; the width is that of the instruction set compiled for.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <utility>

#define INLINE inline __attribute__((always_inline))
// At the start of a line of the cache: where it lies is worth 2 %, else by chance.
#define APART __attribute__((noinline, aligned(64)))

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

// The larger of two; b where one of them is no number.
INLINE Vec larger(Vec a, Vec b) {
#if defined(__AVX512F__)
  return (Vec)_mm512_max_ps((__m512)a, (__m512)b);
#else
  return (Vec)_mm256_max_ps((__m256)a, (__m256)b);
#endif
}

// The first `count` lanes; the others are zero, or left as they are in memory.
#if defined(__AVX512F__)
INLINE __mmask16 lanes(int count) { return static_cast<__mmask16>((1u << count) - 1); }
INLINE Vec load_first(const float* from, int count) {
  return (Vec)_mm512_maskz_loadu_ps(lanes(count), from);
}
INLINE void store_first(float* to, Vec value, int count) {
  _mm512_mask_storeu_ps(to, lanes(count), (__m512)value);
}
#else
INLINE __m256i lanes(int count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE Vec load_first(const float* from, int count) {
  return (Vec)_mm256_maskload_ps(from, lanes(count));
}
INLINE void store_first(float* to, Vec value, int count) {
  _mm256_maskstore_ps(to, lanes(count), (__m256)value);
}
#endif

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
