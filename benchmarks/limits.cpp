// The steps of the forward kernels alone: one block of tiles, again and again, as often as the layer
// has blocks. So everything that a step needs is as near as it can be.
#include "export.h"
#include "forward.h"

namespace {

template <class Tile>
struct Steps {
  const Layout<Tile> l;
  const Block<Tile> block;
  const Schedule& schedule;
  const int64_t blocks, together, panel, position;

  Steps(const Shape& shape, const Schedule& how)
      : l(shape, how.tiles), block(l, {0, l.block}), schedule(how), blocks(blocks_of(l.all, l.block)),
        together(how.positions_first ? l.panels : 1), panel(l.lines_out * PANEL),
        position(together * panel + MARGIN) {}

  // call(sums, panels) for the panels whose sums are kept at once.
  template <class Call>
  void each_panels(float* m, Call call) const {
    for (int64_t i = 0; i < blocks; i++)
      for (int64_t q = 0; q < l.panels; q += together)
        call(Sums{m, panel, position}, Range{q, q + together});
  }
};

template <class Call>
void with_tile(int tile, const Shape& shape, const Schedule& schedule, Call call) {
  if (tile == 4) call(Steps<Tile<1, 4, 4>>(shape, schedule), Tile<1, 4, 4>{});
  else call(Steps<Tile<1, 2, 2>>(shape, schedule), Tile<1, 2, 2>{});
}

}  // namespace

EXPORT void limits_sizes(int tile, const Shape* shape, const Schedule* schedule, int64_t* floats) {
  with_tile(tile, *shape, *schedule, [&](const auto& s, auto type) {
    floats[0] = decltype(type)::POSITIONS * s.l.v_position;
    floats[1] = decltype(type)::POSITIONS * s.position;
  });
}

EXPORT void limits_inputs(int tile, const Shape* shape, const Schedule* schedule, const float* x,
                          float* v) {
  static Scratch scratch;
  with_tile(tile, *shape, *schedule, [&](const auto& s, auto) {
    const Edges edges(scratch, *shape);
    for (int64_t i = 0; i < s.blocks; i++)
      transform_inputs(s.block, x, s.block.tiles, edges.zeros, v);
  });
}

EXPORT void limits_products(int tile, const Shape* shape, const Schedule* schedule, const float* v,
                            const float* u, float* m) {
  with_tile(tile, *shape, *schedule, [&](const auto& s, auto type) {
    Maps<decltype(type)> none;
    s.each_panels(m, [&](const Sums& sums, Range panels) {
      products_of(s.block, v, u, panels, sums, none);
    });
  });
}

EXPORT void limits_outputs(int tile, const Shape* shape, const Schedule* schedule, float* m,
                           float* y) {
  static Scratch for_edges, for_targets;
  with_tile(tile, *shape, *schedule, [&](const auto& s, auto) {
    const Edges edges(for_edges, *shape);
    const Output out{y, nullptr, nullptr, false};
    const auto* targets = targets_of(s.block, out, edges, for_targets);
    const Inverses inverses(s.l, out);
    s.each_panels(m, [&](const Sums& sums, Range panels) {
      for (int64_t i = 0; i < panels.size(); i++)
        transform_outputs(s.block, inverses, sums.m + i * sums.panel, sums.position,
                          panels.first + i, s.together == 1, out, targets);
    });
  });
}
