// The gradient of the weights: dg = G^T [sum over tiles of V D] G with D = A dY A^T, the transpose
// of `forward` in its weights.
#pragma once
#include "inputs.h"
#include "outputs.h"
#include "weights.h"

// A part of dU: a panel of filters, a tap and a chunk of channels, at all positions. It lies as
// [position][channel][PANEL].
struct Part {
  int64_t q, tap;
  Range channels;
};
constexpr int64_t PART_POSITION = CHUNK * PANEL + MARGIN;  // floats between positions

template <class Tile>
INLINE Part part_of(const Layout<Tile>& l, int64_t i) {
  const Shape& s = l.s;
  const int64_t chunks = blocks_of(s.channels, CHUNK), c = i % chunks * CHUNK;
  return {i / (s.taps * chunks), i / chunks % s.taps, {c, std::min(c + CHUNK, s.channels)}};
}

// D = A dY A^T, for some tiles of a block. Beyond the map the gradient is zero.
template <class Tile>
inline void spread_gradients(const Block<Tile>& block, const float* dy, Range tiles,
                             const float* zeros, float* d) {
  const Layout<Tile>& l = block.l;
  const int64_t panel = l.lines_out * PANEL, nothing = between(dy, zeros);
  const Scattered spread(l, [](auto tile) { return typename decltype(tile)::Spread{}; });
  int64_t own[Tile::OUTPUTS];
  block.each_line(tiles, l.planes_out, [&](const Place& where, int kind, int64_t plane,
                                           int64_t line) {
    const At at = outputs_of(l, where, plane, nothing, own);
    const float* from = dy + at.first;
    for (int64_t k = 0; k < l.s.filters; k += WIDTH) {
      float* to = d + k / PANEL * panel + line * PANEL + k % PANEL;
      const int64_t some = l.s.filters - k;
      if (some >= WIDTH) spread.whole[kind](from + k, at.offsets, to, l.d_position);
      else spread.first[kind](some, from + k, at.offsets, to, l.d_position);
    }
  });
}

// dU (+)= sum over the tiles of a block of V D, for position p.
template <class Tile>
INLINE void sum_products(const Block<Tile>& block, const float* v, const float* d, const Part& part,
                         int64_t p, bool accumulate, float* du) {
  const Layout<Tile>& l = block.l;
  const Range lines = block.lines(p);
  v += p * l.v_position + lines.first * WIDTH;
  d += p * l.d_position + part.q * l.lines_out * PANEL + lines.first * PANEL;
  du += p * PART_POSITION;
  const int64_t vectors = l.vectors(part.q);
  for (int64_t plane = 0; plane < l.planes_out; plane++) {
    const int64_t from = l.s.taps > 1 ? plane + part.tap - l.s.pad[0] : 0;
    const bool seen = from >= 0 && from < l.planes_in;
    if (!seen && (plane > 0 || accumulate)) continue;
    for (int64_t c = part.channels.first; c < part.channels.last; c += WIDTH) {
      const float* in = v + c / WIDTH * l.lines_in * WIDTH + from * l.block * WIDTH;
      const Range block{0, std::min<int64_t>(WIDTH, part.channels.last - c)};
      const int64_t groups = blocks_of(block.size(), most_rows(vectors));
      for (int64_t i = 0; i < groups; i++) {
        const Range rows = block.part(i, groups);
        with_rows<Update>(rows.size(), vectors, in + rows.first, d + plane * l.block * PANEL,
                          seen ? lines.size() : 0,
                          du + (c - part.channels.first + rows.first) * PANEL,
                          accumulate || plane > 0);
      }
    }
  }
}

// dg = G^T dU G.
template <class Tile>
inline void gather_weights(const Layout<Tile>& l, const Kernel& k, const float* du,
                           const Part& part, float* dw) {
  const Shape& s = l.s;
  const int filters = static_cast<int>(std::min<int64_t>(PANEL, s.filters - part.q * PANEL));
  alignas(64) float block[Tile::TAPS][RUN][PANEL];
  for (int64_t c = part.channels.first; c < part.channels.last; c += RUN) {
    const int run = static_cast<int>(std::min<int64_t>(RUN, part.channels.last - c));
    for (int j = 0; j < run; j++)
      for (int half = 0; half < PANEL; half += WIDTH) {
        const float* from = du + (c - part.channels.first + j) * PANEL + half;
        Tile::Gather::even(from, PART_POSITION, block[0][j] + half, RUN * PANEL);
      }
    float* to = first_weight(s, k, dw, part.q, part.tap, c);
    each_tap<Tile>(k, [&](int i, int64_t offset) {
      write_block(k, block[i], run, filters, to + offset);
    });
  }
}

// x and dy lie as x and y do in `forward`; `dw` is written, not added to.
template <class Tile>
inline void weight_gradient(const Shape& s, const Schedule& schedule, const Kernel& k,
                            const float* x, const float* dy, float* dw) {
  static thread_local Scratch for_v, for_d, for_du;
  constexpr int64_t PART = Tile::POSITIONS * PART_POSITION;
  const Layout<Tile> l(s, schedule.tiles);
  if (l.all == 0) return;
  const int64_t parts = l.panels * s.taps * blocks_of(s.channels, CHUNK);
  float* v = for_v.floats(Tile::POSITIONS * l.v_position);
  float* d = for_d.floats(Tile::POSITIONS * l.d_position);
  // With one block, a part of dU is gathered while it is in the cache; else all of it is kept.
  const bool once = l.block == l.all;
  float* du = once ? nullptr : for_du.floats(parts * PART);
  for (int64_t start = 0; start < l.all; start += l.block) {
    const Block<Tile> block(l, {start, std::min(l.all, start + l.block)});
    parallel_for(block.tiles.size(), schedule.threads, [&](int64_t begin, int64_t end) {
      static thread_local Scratch for_edges;
      const Edges edges(for_edges, s);
      const Range tiles{start + begin, start + end};
      transform_inputs(block, x, tiles, edges.zeros, v);
      spread_gradients(block, dy, tiles, edges.zeros, d);
    });
    if (once) {
      parallel_for(parts, schedule.threads, [&](int64_t begin, int64_t end) {
        static thread_local Scratch for_sums;
        float* sums = for_sums.floats(PART);
        for (int64_t i = begin; i < end; i++) {
          const Part part = part_of(l, i);
          for (int64_t p = 0; p < Tile::POSITIONS; p++)
            sum_products(block, v, d, part, p, false, sums);
          gather_weights(l, k, sums, part, dw);
        }
      });
      return;
    }
    // Positions one after another: V and D of one serve all parts.
    parallel_for(Tile::POSITIONS * parts, schedule.threads, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t p = i / parts, at = i % parts;
        sum_products(block, v, d, part_of(l, at), p, start > 0, du + at * PART);
      }
    });
  }
  parallel_for(parts, schedule.threads, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) gather_weights(l, k, du + i * PART, part_of(l, i), dw);
  });
}
