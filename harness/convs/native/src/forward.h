// The convolution: the products of all positions, and the two schedules of its steps.
#pragma once
#include "fetching.h"
#include "inputs.h"
#include "weights.h"

// Channels at a time. The weights of fewer would stay in the first cache, but sums are then written
// and read more often, which costs more.
constexpr int64_t DEPTH = 512;
// The same where weights are transformed as they are used: they then stay in the second cache.
constexpr int64_t RAW_DEPTH = WIDTH == 8 ? 512 : 64;

// M (+)= U V over the panel's channels, of one position, one tap and `count` lines.
INLINE void product(int64_t vectors, const float* v, int64_t v_block, int64_t channels,
                    const float* u, int64_t count, float* m, bool accumulate, Beside beside) {
  const int64_t groups = blocks_of(count, most_rows(vectors));
  // Fetched beside whole stretches alone, shared out evenly: weights, or maps if those are near.
  // Else maps are fetched between groups.
  const bool both = beside.weights.floats > 0 && beside.maps.floats > 0;
  const Upcoming& streamed = beside.weights.floats > 0 ? beside.weights : beside.maps;
  const int64_t fetching = std::max<int64_t>(groups * (channels / STRETCH * STRETCH), 1);
  int64_t fetched = 0;
  for (int64_t c = 0; c < channels; c += DEPTH) {
    const int64_t depth = std::min(DEPTH, channels - c);
    for (int64_t i = 0; i < groups; i++, fetched += depth / STRETCH * STRETCH) {
      const Range rows = Range{0, count}.part(i, groups);  // alike: one row takes as long as four
      with_rows<Multiply>(rows.size(), vectors, v + c / WIDTH * v_block + rows.first * WIDTH, v_block,
                    u + c * PANEL, depth, m + rows.first * PANEL, accumulate || c > 0,
                    streamed.stream(fetched, fetching));
      if (both && c == 0) fetch_second(beside.maps.stream(i, groups));
    }
  }
}

// M (+)= sum over taps of U V for position p and the lines that take part in it: begun anew with the
// panel's first channels.
template <class Tile>
INLINE void products(const Layout<Tile>& l, const float* v, const Panel& panel, int64_t p,
                     Range lines, float* m, Beside beside) {
  const int64_t v_block = l.lines_in * WIDTH, count = lines.size();
  const int64_t vectors = l.vectors(panel.q), channels = panel.channels.size();
  const float *u = panel.u + p * panel.position, *in = v + p * l.v_position;
  in += panel.channels.first / WIDTH * v_block + lines.first * WIDTH;
  const bool begun = panel.channels.first > 0;
  m += lines.first * PANEL;
  if (l.s.taps == 1) return product(vectors, in, v_block, channels, u, count, m, begun, beside);
  if (!begun)
    for (int64_t plane = 0; plane < l.planes_out; plane++)
      std::memset(m + plane * l.block * PANEL, 0, count * PANEL * sizeof(float));
  const auto each_pair = [&](auto call) {  // of a tap and a plane that it finds
    for (int64_t tap = 0; tap < l.s.taps; tap++)
      for (int64_t plane = 0; plane < l.planes_out; plane++) {
        const int64_t from = plane + tap - l.s.pad[0];
        if (from >= 0 && from < l.planes_in) call(tap, plane, from);
      }
  };
  int64_t pairs = 0, i = 0;
  each_pair([&](int64_t, int64_t, int64_t) { pairs++; });
  each_pair([&](int64_t tap, int64_t plane, int64_t from) {
    product(vectors, in + from * l.block * WIDTH, v_block, channels, u + tap * panel.tap, count,
            m + plane * l.block * PANEL, true, beside.part(i++, pairs));
  });
}

// M for some panels, one panel after another within a position.
struct Sums {
  float* m;
  int64_t panel, position;  // floats between two of them
};

// M = U V for panels of transformed weights, and the next maps are fetched.
template <class Tile>
INLINE void products_of(const Block<Tile>& block, const float* v, const float* u, Range panels,
                        const Sums& sums, Maps<Tile>& maps) {
  const Layout<Tile>& l = block.l;
  for (int64_t p = 0; p < Tile::POSITIONS; p++) {
    const Range lines = block.lines(p);
    for (int64_t q = panels.first; q < panels.last; q++) {
      const bool more = q + 1 < panels.last, end = p + 1 == Tile::POSITIONS;
      const int64_t q_next = more ? q + 1 : end ? panels.last % l.panels : panels.first;
      const int64_t p_next = more ? p : end ? 0 : p + 1;
      const Upcoming weights{u + q_next * l.u_panel + p_next * l.u_position,
                             l.far_weights ? l.u_position - MARGIN : 0};
      products(l, v, whole_panel(l, u, q), p, lines,
               sums.m + p * sums.position + (q - panels.first) * sums.panel,
               {weights, maps.next()});
    }
  }
}

// M = U V for panels of weights that are transformed now, some channels at a time. V is fetched.
template <class Tile>
INLINE void products_of_raw(const Block<Tile>& block, const float* v, const Weights& weights,
                            Range panels, const Sums& sums, Scratch& scratch) {
  const Layout<Tile>& l = block.l;
  for (int64_t q = panels.first; q < panels.last; q++)
    for (int64_t c = 0; c < l.s.channels; c += RAW_DEPTH) {
      const Range channels{c, std::min(c + RAW_DEPTH, l.s.channels)};
      const Panel panel = transformed(l, weights, q, channels, scratch);
      for (int64_t p = 0; p < Tile::POSITIONS; p++)
        products(l, v, panel, p, block.lines(p),
                 sums.m + p * sums.position + (q - panels.first) * sums.panel,
                 {{v + (p + 1) * l.v_position + c * l.lines_in, channels.size() * l.lines_in}, {}});
    }
}

// The outputs of some panels for a block of tiles, from `multiply(panels, sums)`: a panel
// after another, or all of them position by position.
template <class Tile, class Multiply>
INLINE void outputs_from(const Block<Tile>& block, const Schedule& schedule, Range panels,
                         const Output& out, const Target<Tile>* targets, Scratch& scratch,
                         Multiply multiply) {
  const Layout<Tile>& l = block.l;
  const int64_t together = schedule.positions_first ? panels.size() : 1;
  const int64_t panel = l.lines_out * PANEL, position = together * panel + MARGIN;
  const Sums sums{scratch.floats(Tile::POSITIONS * position), panel, position};
  const Inverses inverses(l, out);
  for (int64_t first = panels.first; first < panels.last; first += together) {
    multiply(Range{first, first + together}, sums);
    for (int64_t i = 0; i < together; i++)
      transform_outputs(block, inverses, sums.m + i * panel, position, first + i, together == 1, out,
                        targets);
  }
}

// Threads share the tiles: what a block of them needs stays in the second cache.
template <class Tile>
inline void by_blocks(const Layout<Tile>& l, const Schedule& schedule, const float* x,
                      const float* u, const Output& out) {
  parallel_for(blocks_of(l.all, l.block), schedule.threads, [&](int64_t begin, int64_t end) {
    static thread_local Scratch for_v, for_m, for_edges, for_targets;
    float* v = for_v.floats(Tile::POSITIONS * l.v_position);
    const Edges edges(for_edges, l.s);
    const int64_t stop = std::min(end * l.block, l.all);
    for (int64_t start = begin * l.block; start < stop; start += l.block) {
      const Range tiles{start, std::min(stop, start + l.block)};
      const Range next{tiles.last, std::min(stop, tiles.last + l.block)};
      const Block<Tile> block(l, tiles);
      const Target<Tile>* targets = targets_of(block, out, edges, for_targets);
      transform_inputs(block, x, tiles, edges.zeros, v);
      Maps<Tile> maps(l, x, out, next, l.panels * Tile::POSITIONS);
      outputs_from(block, schedule, {0, l.panels}, out, targets, for_m,
                   [&](Range panels, const Sums& sums) {
                     products_of(block, v, u, panels, sums, maps);
                   });
    }
  });
}

// Threads share the output channels: for few tiles under many channels, whose weights no cache
// holds. Weights that are not transformed yet are transformed panel by panel as they are used.
template <class Tile>
inline void by_panels(const Layout<Tile>& l, const Schedule& schedule, const float* x,
                      const Weights& weights, const float* u, const Output& out) {
  static thread_local Scratch for_v;
  float* v = for_v.floats(Tile::POSITIONS * l.v_position);
  for (int64_t start = 0; start < l.all; start += l.block) {
    const Block<Tile> block(l, {start, std::min(l.all, start + l.block)});
    parallel_for(block.tiles.size(), schedule.threads, [&](int64_t begin, int64_t end) {
      static thread_local Scratch for_edges;
      const Edges edges(for_edges, l.s);
      transform_inputs(block, x, {start + begin, start + end}, edges.zeros, v);
    });
    parallel_for(l.panels, schedule.threads, [&](int64_t begin, int64_t end) {
      static thread_local Scratch for_m, for_edges, for_targets, for_panel;
      Maps<Tile> none;
      const Edges edges(for_edges, l.s);
      const Target<Tile>* targets = targets_of(block, out, edges, for_targets);
      outputs_from(block, schedule, {begin, end}, out, targets, for_m,
                   [&](Range panels, const Sums& sums) {
                     if (u == nullptr)
                       products_of_raw(block, v, weights, panels, sums, for_panel);
                     else
                       products_of(block, v, u, panels, sums, none);
                   });
    });
  }
}

template <class Tile>
inline void by_schedule(const Layout<Tile>& l, const Schedule& schedule, const float* x,
                        const Weights& weights, const float* u, const Output& out) {
  if (schedule.by_panels) by_panels(l, schedule, x, weights, u, out);
  else by_blocks(l, schedule, x, u, out);
}
