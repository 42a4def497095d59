// The outputs of tiles: where they lie, Y = A^T M A, and fetching them before their turn.
#pragma once
#include "layout.h"

struct Output {
  float* y;
  const float* bias;               // of each filter, or null
  const float* residual;           // lies as y does and is added, or null
  bool relu;
};

// Where the outputs of a tile lie, `nowhere` where it ends beyond the map.
template <class Tile, class Pointer>
INLINE void outputs_of(const Layout<Tile>& l, Pointer y, int64_t tile, int64_t plane,
                       Pointer nowhere, Pointer* to) {
  const Shape& s = l.s;
  const Place where = place(l, tile);
  const Pointer base = y + where.n * s.out_stride[0];
  for (int a = 0, i = 0; a < Tile::M[0]; a++)
    for (int b = 0; b < Tile::M[1]; b++)
      for (int c = 0; c < Tile::M[2]; c++, i++) {
        const int64_t t = (s.taps > 1 ? plane : where.at[0]) + a, h = where.at[1] + b,
                      w = where.at[2] + c;
        const bool seen = t < s.out[0] && h < s.out[1] && w < s.out[2];
        to[i] = seen ? base + t * s.out_stride[1] + h * s.out_stride[2] + w * s.out_stride[3]
                     : nowhere;
      }
}

// Y = A^T M A, with bias, residual and ReLU, for panel q.
template <class Tile>
inline void transform_outputs(const Layout<Tile>& l, const float* m, int64_t q, Range tiles,
                              const Output& out, const Edges& edges) {
  const int64_t block = l.block, position = l.m_position;
  for (int64_t plane = 0; plane < l.planes_out; plane++)
    for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
      float* to[Tile::OUTPUTS];
      const float* plus[Tile::OUTPUTS];
      outputs_of(l, out.y, tile, plane, edges.spare, to);
      if (out.residual) outputs_of(l, out.residual, tile, plane, edges.zeros, plus);
      const float* from = m + (plane * block + tile - tiles.first) * PANEL;
      for (int64_t k = q * PANEL; k < std::min(l.s.filters, (q + 1) * PANEL);
           k += WIDTH, from += WIDTH) {
        const int some = static_cast<int>(std::min<int64_t>(WIDTH, l.s.filters - k));
        const Vec bias = out.bias ? load_first(out.bias + k, some) : Vec{};
        const auto take = [&](int p) __attribute__((always_inline)) {
          return load(from + p * position);
        };
        const auto finished = [&](int i, Vec value) __attribute__((always_inline)) {
          value += bias;
          if (out.residual)
            value += some == WIDTH ? load(plus[i] + k) : load_first(plus[i] + k, some);
          return out.relu ? (value < 0 ? Vec{} : value) : value;  // keeps what is no number
        };
        if (some == WIDTH)
          Tile::Inverse::map(take, [&](int i, Vec value) __attribute__((always_inline)) {
            store(to[i] + k, finished(i, value));
          });
        else
          Tile::Inverse::map(take, [&](int i, Vec value) __attribute__((always_inline)) {
            store_first(to[i] + k, finished(i, value), some);
          });
      }
    }
}

// Bring near what the next transforms write and add: nothing is computed with it yet.
template <class Tile>
INLINE void fetch_outputs(const Layout<Tile>& l, int64_t q, Range tiles, const Output& out,
                          const Edges& edges) {
  for (int64_t plane = 0; plane < l.planes_out; plane++)
    for (int64_t tile = tiles.first; tile < tiles.last; tile++) {
      float* to[Tile::OUTPUTS];
      outputs_of(l, out.y, tile, plane, edges.spare, to);
      for (int i = 0; i < Tile::OUTPUTS; i++)
        for (int v = 0; v < PANEL; v += LINE) __builtin_prefetch(to[i] + q * PANEL + v, 1, 2);
      if (out.residual == nullptr) continue;
      const float* plus[Tile::OUTPUTS];
      outputs_of(l, out.residual, tile, plane, edges.zeros, plus);
      for (int i = 0; i < Tile::OUTPUTS; i++)
        for (int v = 0; v < PANEL; v += LINE) __builtin_prefetch(plus[i] + q * PANEL + v, 0, 2);
    }
}
