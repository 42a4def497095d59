// One SIMD vector of floats; the width is that of the instruction set compiled for.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>

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

// Past the caches: for what is written once and is larger than they are. `to` is aligned.
INLINE void store_streaming(float* to, Vec value) {
#if defined(__AVX512F__)
  _mm512_stream_ps(to, (__m512)value);
#else
  _mm256_stream_ps(to, (__m256)value);
#endif
}
INLINE void finish_streaming() { _mm_sfence(); }
