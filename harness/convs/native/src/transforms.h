// The transforms of minimal filtering, nested over three axes.
//
// Reference: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016,
// section 4. The matrices are generated (cook_toom.h). Their points come in pairs a and -a, so that
// two rows of B^T, G and A differ only in the signs of their odd columns and share both sums, and
// two columns of A^T and G^T differ only in the signs of their odd rows.
#pragma once
#include <algorithm>
#include <utility>

#include "cook_toom.h"
#include "vector.h"

template <class Body, int... I>
INLINE void each_of(std::integer_sequence<int, I...>, Body body) {
  (body(std::integral_constant<int, I>{}), ...);
}
// body(0), body(1), ... body(N - 1), the index a constant.
template <int N, class Body>
INLINE void each(Body body) {
  each_of(std::make_integer_sequence<int, N>{}, body);
}

template <class Matrix>
constexpr float entry(int row, int column) {
  return Matrix::values[row][column];
}

// The column whose term begins the sum of a row, among those of one parity (0, 1) or all (2): one
// with 1 if there is one, else the last that is not zero.
template <class Matrix>
constexpr int leading(int row, int parity) {
  int column = -1;
  for (int j = 0; j < Matrix::COLUMNS; j++)
    if (j % 2 != 1 - parity && entry<Matrix>(row, j) != 0) {
      column = j;
      if (entry<Matrix>(row, j) == 1) break;
    }
  return column;
}

// sum_j Matrix[row][j] x[j] over the columns of one parity, or over all: as `factor` times `sum`, in
// which every term but the first takes one operation.
template <class Matrix, int ROW, int PARITY>
struct Dot {
  static constexpr int LEADING = leading<Matrix>(ROW, PARITY);
  static constexpr float factor = entry<Matrix>(ROW, LEADING);

  static INLINE Vec sum(const Vec* x) {
    Vec sum = x[LEADING];
    each<Matrix::COLUMNS>([&](auto j) __attribute__((always_inline)) {
      constexpr float value = entry<Matrix>(ROW, j) / factor;
      if constexpr (value != 0 && j != LEADING && j % 2 != 1 - PARITY) sum += x[j] * value;
    });
    return sum;
  }
  static INLINE Vec all(const Vec* x) { return sum(x) * factor; }
};

// The inputs and outputs of a map along one axis, and where they stand in those of a whole tile.
template <int INPUTS, int OUTPUTS>
struct Whole {
  static constexpr int IN = INPUTS, OUT = OUTPUTS, WHOLE_IN = IN, WHOLE_OUT = OUT;
  static constexpr int in(int i) { return i; }
  static constexpr int out(int i) { return i; }
};

// y = Matrix x; rows 1 and 2, 3 and 4, ... belong to points a and -a.
template <class Matrix>
struct ByRows : Whole<Matrix::COLUMNS, Matrix::ROWS> {
  static constexpr int OUT = Matrix::ROWS, PAIRS = (OUT - 2) / 2;

  static INLINE void map(const Vec* x, Vec* y) {
    y[0] = Dot<Matrix, 0, 2>::all(x);
    each<PAIRS>([&](auto pair) __attribute__((always_inline)) {
      constexpr int row = 1 + 2 * pair;
      using Odd = Dot<Matrix, row, 1>;
      const Vec even = Dot<Matrix, row, 0>::all(x), odd = Odd::sum(x);
      y[row] = even + odd * Odd::factor;
      y[row + 1] = even - odd * Odd::factor;
    });
    y[OUT - 1] = Dot<Matrix, OUT - 1, 2>::all(x);
  }
};

// y = Matrix x; columns 1 and 2, 3 and 4, ... belong to points a and -a.
template <class Matrix>
struct ByColumns : Whole<Matrix::COLUMNS, Matrix::ROWS> {
  static constexpr int IN = Matrix::COLUMNS, OUT = Matrix::ROWS, PAIRS = (IN - 2) / 2;

  static INLINE void map(const Vec* x, Vec* y) {
    Vec sums[PAIRS], differences[PAIRS];
    each<PAIRS>([&](auto pair) __attribute__((always_inline)) {
      sums[pair] = x[1 + 2 * pair] + x[2 + 2 * pair];
      differences[pair] = x[1 + 2 * pair] - x[2 + 2 * pair];
    });
    each<OUT>([&](auto i) __attribute__((always_inline)) {
      Vec sum{};
      bool first = true;
      const auto add = [&](auto column, Vec term) __attribute__((always_inline)) {
        constexpr float value = entry<Matrix>(i, column);
        if constexpr (value != 0) {
          sum = first ? term * value : sum + term * value;
          first = false;
        }
      };
      add(std::integral_constant<int, 0>{}, x[0]);
      add(std::integral_constant<int, IN - 1>{}, x[IN - 1]);
      each<PAIRS>([&](auto pair) __attribute__((always_inline)) {
        constexpr std::integral_constant<int, 1 + 2 * pair> column;
        add(column, i % 2 ? differences[pair] : sums[pair]);
      });
      y[i] = sum;
    });
  }
};

// y = Matrix x, without pairs.
template <class Matrix>
struct Plain {
  static constexpr int IN = Matrix::COLUMNS, OUT = Matrix::ROWS;

  static INLINE void map(const Vec* x, Vec* y) {
    each<OUT>([&](auto i) __attribute__((always_inline)) { y[i] = Dot<Matrix, i, 2>::all(x); });
  }
};

// An axis without a kernel.
struct Identity : Whole<1, 1> {
  static INLINE void map(const Vec* x, Vec* y) { y[0] = x[0]; }
};

// One map an axis, the last axis first: take(i) gives the i-th input vector, give(i, vector) takes
// the i-th output; both count in the row-major order of a whole tile.
//
// The two inner axes are unrolled: their sums stay in registers. What loops over many such maps
// calls one of the functions below, which are not inlined: within a loop a compiler keeps more
// addresses at hand than there are registers, and spills sums for them.
template <class A0, class A1, class A2>
struct Nested {
  template <class Take, class Give>
  static INLINE void map(Take take, Give give) {
    constexpr bool flat = A0::IN == 1 && A0::OUT == 1;
    Vec cube[A0::IN][A1::OUT][A2::OUT];
    for (int a = 0; a < A0::IN; a++) {
      Vec plane[A1::IN][A2::OUT];
      each<A1::IN>([&](auto b) __attribute__((always_inline)) {
        Vec line[A2::IN];
        each<A2::IN>([&](auto c) __attribute__((always_inline)) {
          line[c] = take((a * A1::WHOLE_IN + A1::in(b)) * A2::WHOLE_IN + A2::in(c));
        });
        A2::map(line, plane[b]);
      });
      each<A2::OUT>([&](auto c) __attribute__((always_inline)) {
        Vec line[A1::IN], out[A1::OUT];
        each<A1::IN>([&](auto b) __attribute__((always_inline)) { line[b] = plane[b][c]; });
        A1::map(line, out);
        each<A1::OUT>([&](auto b) __attribute__((always_inline)) {
          if constexpr (flat) give(A1::out(b) * A2::WHOLE_OUT + A2::out(c), out[b]);
          else cube[a][b][c] = out[b];
        });
      });
    }
    if constexpr (!flat) {
      for (int b = 0; b < A1::OUT; b++)
        for (int c = 0; c < A2::OUT; c++) {
          Vec line[A0::IN], out[A0::OUT];
          each<A0::IN>([&](auto a) __attribute__((always_inline)) { line[a] = cube[a][b][c]; });
          A0::map(line, out);
          each<A0::OUT>([&](auto a) __attribute__((always_inline)) {
            give((a * A1::WHOLE_OUT + A1::out(b)) * A2::WHOLE_OUT + A2::out(c), out[a]);
          });
        }
    }
  }

  // Inputs lie at from + offsets[i], outputs `step` floats apart.
  static APART void scattered(const float* from, const int64_t* offsets, float* to, int64_t step) {
    map([&](int i) __attribute__((always_inline)) { return load(from + offsets[i]); },
        [&](int i, Vec value) __attribute__((always_inline)) { store(to + i * step, value); });
  }
  // The same of the first `some` lanes.
  static APART void scattered_first(int some, const float* from, const int64_t* offsets, float* to,
                                    int64_t step) {
    map([&](int i) __attribute__((always_inline)) { return load_first(from + offsets[i], some); },
        [&](int i, Vec value) __attribute__((always_inline)) { store(to + i * step, value); });
  }
  // Inputs and outputs lie evenly.
  static APART void even(const float* from, int64_t from_step, float* to, int64_t to_step) {
    map([&](int i) __attribute__((always_inline)) { return load(from + i * from_step); },
        [&](int i, Vec value) __attribute__((always_inline)) { store(to + i * to_step, value); });
  }
};

// F(M, 3) on one axis, or M = 1 for an axis that is not transformed.
template <int M>
struct Axis {
  static constexpr int R = 3, N = M + R - 1;  // taps of the kernel, inputs of a tile
  using Data = ByRows<typename CookToom<M>::Data>;               // B^T
  using Kernel = ByRows<typename CookToom<M>::Kernel>;           // G
  using Inverse = ByColumns<typename CookToom<M>::Inverse>;      // A^T
  using Spread = ByRows<typename CookToom<M>::Spread>;           // A, the transpose of A^T
  using Gather = ByColumns<typename CookToom<M>::Gather>;        // G^T
};
template <>
struct Axis<1> {
  static constexpr int R = 1, N = 1;
  using Data = Identity;
  using Kernel = Identity;
  using Inverse = Identity;
  using Spread = Identity;
  using Gather = Identity;
};

// A tile of F(M, 3) that has but E outputs left at the end of a map: F(E, 3) at the first E + 1
// points of the whole tile and infinity, with the weights of the whole tile at these positions.
template <int M, int E>
constexpr int short_position(int i) { return i <= E ? i : M + 1; }

INLINE bool takes_part(int64_t position, int64_t m, int64_t e) {
  return position <= e || position > m;
}

template <int M, int E>
struct ShortAxis {
  struct Data : Plain<typename ShortCookToom<M, E>::Data> {
    static constexpr int WHOLE_IN = M + 2, WHOLE_OUT = M + 2;
    static constexpr int in(int i) { return i; }
    static constexpr int out(int i) { return short_position<M, E>(i); }
  };
  struct Inverse : Plain<typename ShortCookToom<M, E>::Inverse> {
    static constexpr int WHOLE_IN = M + 2, WHOLE_OUT = M;
    static constexpr int in(int i) { return short_position<M, E>(i); }
    static constexpr int out(int i) { return i; }
  };
  struct Spread : Plain<typename ShortCookToom<M, E>::Spread> {
    static constexpr int WHOLE_IN = M, WHOLE_OUT = M + 2;
    static constexpr int in(int i) { return i; }
    static constexpr int out(int i) { return short_position<M, E>(i); }
  };
};
template <int M>
struct ShortAxis<M, M> : Axis<M> {};

// Outputs along an axis of a tile of which `left` are within the map.
template <int M>
constexpr int64_t outputs_left(int64_t left) {
  return M == 4 && left < 2 ? 2 : std::min<int64_t>(left, M);
}
// call(E) with the constant.
template <int M, class Call>
INLINE auto with_outputs(int64_t left, Call call) {
  if constexpr (M == 4) {
    if (left == 2) return call(std::integral_constant<int, 2>{});
    if (left == 3) return call(std::integral_constant<int, 3>{});
  } else if constexpr (M == 2) {
    if (left == 1) return call(std::integral_constant<int, 1>{});
  }
  return call(std::integral_constant<int, M>{});
}

// F(M0 x M1 x M2, R x R x R), without the axes of M = 1; in row-major order like `Nested`.
template <int M0, int M1, int M2>
struct Tile {
  using A0 = Axis<M0>;
  using A1 = Axis<M1>;
  using A2 = Axis<M2>;
  static constexpr int M[3] = {M0, M1, M2}, N[3] = {A0::N, A1::N, A2::N},
                       R[3] = {A0::R, A1::R, A2::R};
  static constexpr int OUTPUTS = M0 * M1 * M2, POSITIONS = A0::N * A1::N * A2::N,
                       TAPS = A0::R * A1::R * A2::R;
  using Data = Nested<typename A0::Data, typename A1::Data, typename A2::Data>;
  using Kernel = Nested<typename A0::Kernel, typename A1::Kernel, typename A2::Kernel>;
  using Inverse = Nested<typename A0::Inverse, typename A1::Inverse, typename A2::Inverse>;
  using Spread = Nested<typename A0::Spread, typename A1::Spread, typename A2::Spread>;
  using Gather = Nested<typename A0::Gather, typename A1::Gather, typename A2::Gather>;

  // With fewer outputs along the last two axes, where the first is not transformed.
  static constexpr bool MAY_BE_SHORT = M0 == 1;
  template <int E1, int E2>
  struct Short {
    using Data = Nested<typename A0::Data, typename ShortAxis<M1, E1>::Data,
                        typename ShortAxis<M2, E2>::Data>;
    using Inverse = Nested<typename A0::Inverse, typename ShortAxis<M1, E1>::Inverse,
                           typename ShortAxis<M2, E2>::Inverse>;
    using Spread = Nested<typename A0::Spread, typename ShortAxis<M1, E1>::Spread,
                          typename ShortAxis<M2, E2>::Spread>;
  };
  // call(Short<E1, E2>{}) for as many outputs.
  template <class Call>
  static INLINE auto with_short(int64_t e1, int64_t e2, Call call) {
    if constexpr (!MAY_BE_SHORT) return call(Short<M1, M2>{});
    else
      return with_outputs<M1>(e1, [&](auto first) {
        return with_outputs<M2>(e2, [&](auto second) { return call(Short<first, second>{}); });
      });
  }
};
