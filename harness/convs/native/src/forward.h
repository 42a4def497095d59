// The convolution: the products of all positions, and the two schedules of its steps.
#pragma once
#include "inputs.h"
#include "outputs.h"
#include "weights.h"

// Channels at a time: a panel of their weights stays in the first cache.
constexpr int64_t DEPTH = 256;

// M (+)= U V over the panel's channels, of one position, one tap and `count` lines.
INLINE void product(const Shape& s, const float* v, int64_t v_block, const Panel& panel,
                    const float* u, int64_t count, float* m, bool accumulate) {
  const bool narrow = s.filters - panel.q * PANEL <= WIDTH;
  const int64_t groups = blocks_of(count, ROWS), rows = blocks_of(count, groups);
  const int64_t ahead = PANEL * sizeof(float) / groups, channels = panel.channels.size();
  for (int64_t c = 0; c < channels; c += DEPTH) {
    const int64_t depth = std::min(DEPTH, channels - c);
    const char* next = reinterpret_cast<const char*>(u + (c + depth) * PANEL);
    for (int64_t row = 0; row < count; row += rows, next += depth * ahead)
      multiply_rows(std::min(rows, count - row), narrow, v + c / WIDTH * v_block + row * WIDTH,
                    v_block, u + c * PANEL, depth, m + row * PANEL, accumulate || c > 0, next,
                    ahead);
  }
}

// M (+)= sum over taps of U V for position p and `count` tiles of a block: begun anew with the
// panel's first channels.
template <class Tile>
INLINE void products(const Layout<Tile>& l, const float* v, const Panel& panel, int64_t p,
                     int64_t count, float* m) {
  const int64_t v_block = l.lines_in * WIDTH;
  const float *u = panel.u + p * panel.position, *in = v + p * l.v_position;
  in += panel.channels.first / WIDTH * v_block;
  m += p * l.m_position;
  const bool begun = panel.channels.first > 0;
  if (l.s.taps == 1) return product(l.s, in, v_block, panel, u, count, m, begun);
  if (!begun) std::memset(m, 0, l.lines_out * PANEL * sizeof(float));
  for (int64_t tap = 0; tap < l.s.taps; tap++)
    for (int64_t plane = 0; plane < l.planes_out; plane++) {
      const int64_t from = plane + tap - l.s.pad[0];
      if (from >= 0 && from < l.planes_in)
        product(l.s, in + from * l.block * WIDTH, v_block, panel, u + tap * panel.tap, count,
                m + plane * l.block * PANEL, true);
    }
}

// Threads share the tiles: what a block of them needs stays in the second cache.
template <class Tile>
inline void by_blocks(const Layout<Tile>& l, int threads, const float* x, const float* u,
                      const Output& out) {
  parallel_for(blocks_of(l.all, l.block), threads, [&](int64_t begin, int64_t end) {
    static thread_local Scratch for_v, for_m, for_edges;
    float* v = for_v.floats(Tile::POSITIONS * l.v_position);
    float* m = for_m.floats(Tile::POSITIONS * l.m_position);
    const Edges edges(for_edges, l.s);
    const int64_t stop = std::min(end * l.block, l.all), steps = l.panels * Tile::POSITIONS;
    for (int64_t start = begin * l.block; start < stop; start += l.block) {
      const Range tiles{start, std::min(stop, start + l.block)};
      const Range next{tiles.last, std::min(stop, tiles.last + l.block)};
      transform_inputs(l, x, tiles, edges.zeros, v);
      for (int64_t q = 0; q < l.panels; q++) {
        for (int64_t p = 0; p < Tile::POSITIONS; p++) {
          products(l, v, whole_panel(l, u, q), p, tiles.size(), m);
          // The next loads and stores of large maps, spread evenly beside the products.
          if (l.far_outputs) fetch_outputs(l, q, tiles.part(p, Tile::POSITIONS), out, edges);
          if (l.far_inputs)
            fetch_inputs(l, x, next.part(q * Tile::POSITIONS + p, steps), edges.zeros);
        }
        transform_outputs(l, m, q, tiles, out, edges);
      }
    }
  });
}

// Threads share the output channels: for few tiles under many channels, whose weights no cache
// holds. Weights that are not transformed yet are transformed panel by panel as they are used.
template <class Tile>
inline void by_panels(const Layout<Tile>& l, int threads, const float* x, const Weights& weights,
                      const float* u, const Output& out) {
  static thread_local Scratch for_v;
  float* v = for_v.floats(Tile::POSITIONS * l.v_position);
  for (int64_t start = 0; start < l.all; start += l.block) {
    const Range tiles{start, std::min(l.all, start + l.block)};
    parallel_for(tiles.size(), threads, [&](int64_t begin, int64_t end) {
      static thread_local Scratch for_edges;
      const Edges edges(for_edges, l.s);
      transform_inputs(l, x, {start + begin, start + end}, edges.zeros, v + begin * WIDTH);
    });
    parallel_for(l.panels, threads, [&](int64_t begin, int64_t end) {
      static thread_local Scratch for_m, for_edges, for_panel;
      float* m = for_m.floats(Tile::POSITIONS * l.m_position);
      const Edges edges(for_edges, l.s);
      for (int64_t q = begin; q < end; q++) {
        const int64_t step = u == nullptr ? 2 * CHUNK : l.s.channels;
        for (int64_t c = 0; c < l.s.channels; c += step) {
          const Range channels{c, std::min(c + step, l.s.channels)};
          const Panel panel = u == nullptr ? transformed(l, weights, q, channels, for_panel)
                                           : whole_panel(l, u, q);
          for (int64_t p = 0; p < Tile::POSITIONS; p++)
            products(l, v, panel, p, tiles.size(), m);
        }
        transform_outputs(l, m, q, tiles, out, edges);
      }
    });
  }
}

template <class Tile>
inline void forward(const Shape& s, const Schedule& schedule, const float* x,
                    const Weights& weights, const Output& out) {
  static thread_local Scratch for_u;
  const Layout<Tile> l(s, schedule.tiles);
  if (l.all == 0) return;
  const bool once = schedule.by_panels && l.block == l.all;
  const float* u = weights.u;
  if (u == nullptr && !once) {
    float* all = for_u.floats(transformed_size(l));
    transform_weights(l, weights.kernel, weights.w, all, schedule.threads);
    u = all;
  }
  if (schedule.by_panels) by_panels(l, schedule.threads, x, weights, u, out);
  else by_blocks(l, schedule.threads, x, u, out);
}
