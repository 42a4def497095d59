// A block of tiles: the lines that they have in V and M, and the transforms of each kind of tile.
#pragma once
#include "layout.h"

// How many there are of each kind among the first tiles of all.
struct Counts {
  int64_t of[KINDS];

  template <class Tile>
  Counts(const Layout<Tile>& l, int64_t tiles) {
    const int64_t row = l.tiles[2], map = l.tiles[1] * row, last_row = map - row;
    const int64_t columns = l.short_columns() ? tiles / row : 0;
    const int64_t rows =
        l.short_rows() ? tiles / map * row + std::max<int64_t>(tiles % map - last_row, 0) : 0;
    const int64_t both = columns && l.short_rows() ? tiles / map : 0;
    of[BOTTOM] = rows - both, of[RIGHT] = columns - both, of[CORNER] = both;
    of[INNER] = tiles - columns - rows + both;
  }
};

// Some tiles that are at work together, and the lines of each kind of them.
template <class Tile>
struct Block {
  const Layout<Tile>& l;
  Range tiles;
  int64_t begin[KINDS + 1];

  Block(const Layout<Tile>& layout, Range of) : l(layout), tiles(of) {
    const Counts before(l, tiles.first), until(l, tiles.last);
    begin[0] = 0;
    for (int k = 0; k < KINDS; k++) begin[k + 1] = begin[k] + until.of[k] - before.of[k];
  }

  // The lines of tiles that take part in a position.
  INLINE Range lines(int64_t p) const {
    const bool rows = takes_part(p / Tile::N[2] % Tile::N[1], Tile::M[1], l.left[0]);
    const bool columns = takes_part(p % Tile::N[2], Tile::M[2], l.left[1]);
    return {rows ? 0 : begin[INNER],
            begin[columns ? (rows ? CORNER : RIGHT) + 1 : INNER + 1]};
  }

  // call(where, kind, plane, line) for the lines that some of the tiles have: those of each plane.
  template <class Call>
  INLINE void each_line(Range some, int64_t planes, Call call) const {
    const Counts first(l, tiles.first), before(l, some.first);
    int64_t line[KINDS];
    for (int k = 0; k < KINDS; k++) line[k] = begin[k] + before.of[k] - first.of[k];
    if (some.size() == 0) return;
    Place where = place(l, some.first);
    for (int64_t i = 0; i < some.size(); i++, advance(l, where)) {
      const bool row = l.short_rows() && where.at[1] == (l.tiles[1] - 1) * Tile::M[1];
      const bool column = l.short_columns() && where.at[2] == (l.tiles[2] - 1) * Tile::M[2];
      const int kind = row ? column ? CORNER : BOTTOM : column ? RIGHT : INNER;
      for (int64_t plane = 0; plane < planes; plane++)
        call(where, kind, plane, plane * l.block + line[kind]);
      line[kind]++;
    }
  }
};

// The maps of each kind of tile from one that lies anywhere: of a vector of channels, and of its
// first lanes. `of(tile)` is the map: Data or Spread.
struct Scattered {
  void (*whole[KINDS])(const float*, const int64_t*, float*, int64_t);
  void (*first[KINDS])(int, const float*, const int64_t*, float*, int64_t);

  template <class Tile, class Of>
  Scattered(const Layout<Tile>& l, Of of) {
    for (int kind = 0; kind < KINDS; kind++)
      l.with_transforms(kind, [&](auto tile) {
        using Map = decltype(of(tile));
        whole[kind] = Map::scattered, first[kind] = Map::scattered_first;
      });
  }
};
