/* Coalitions of a game, from its Gram matrix: u_S = Σ_{i∈S} a_i with a_i = weight_i · update_i,
 * and ν(S) = cos(u_S, u_N), where 0 stands for the cosine of a vector without length. */
#ifndef KERNELS_GAMES_H
#define KERNELS_GAMES_H

#include "kernels/portable.h"

/* A squared length of less than this part of its members' squared lengths is rounding: the
 * members cancel each other. */
#define CANCELLED 1e-13
/* A member's leaving that shrinks a squared length more than this is not got by subtraction. */
#define SHRUNK 1e-6

/* What ν(S) is made of. */
struct coalition {
    double square;  /* ‖u_S‖² */
    double dot;     /* <u_S, u_N> */
    double members; /* Σ ‖a_i‖² */
};

/* One game of a batch, as games_prepare left it. */
struct game {
    const double *product; /* [N][N] <a_i, a_j> */
    const double *dot;     /* [N] <a_i, u_N> */
    double length;         /* ‖u_N‖ */
    int agents;
};

DEVICE struct game game_of(struct games g, int64_t index)
{
    struct game game = {g.product + index * g.agents * g.agents, g.dot + index * g.agents, g.length[index], g.agents};
    return game;
}

/* ν(S) ‖u_N‖. */
DEVICE double coalition_projection(double square, double dot, double members)
{
    return square > CANCELLED * members ? dot / sqrt(square) : 0.0;
}

DEVICE double coalition_value(struct coalition c, double length)
{
    return length > 0 ? coalition_projection(c.square, c.dot, c.members) / length : 0.0;
}

/* Agent i joins a coalition whose members' products with it add up to `cross`. */
DEVICE struct coalition coalition_with(struct coalition c, struct game game, int i, double cross)
{
    const double own = game.product[(int64_t)i * game.agents + i];
    struct coalition with = {c.square + own + 2 * cross, c.dot + game.dot[i], c.members + own};
    return with;
}

/* Σ_{j∈S} <a_i, a_j> over the members listed, all but `except`. */
DEVICE double coalition_cross(struct game game, const uint16_t *member, int count, int i, int except)
{
    const double *row = game.product + (int64_t)i * game.agents;
    double cross = 0;
    for (int j = 0; j < count; j++) cross += member[j] == except ? 0.0 : row[member[j]];
    return cross;
}

/* The coalition of the members listed, all but `except` (−1: of all). */
DEVICE struct coalition coalition_of(struct game game, const uint16_t *member, int count, int except)
{
    struct coalition c = {0, 0, 0};
    for (int j = 0; j < count; j++)
        if (member[j] != except)
            c = coalition_with(c, game, member[j], coalition_cross(game, member, j, member[j], except));
    return c;
}

/* Agent i leaves a coalition c, whose members are listed, `cross` their products with it, its
 * own among them. Where what is left would be rounding, it is summed up anew. */
DEVICE struct coalition coalition_without(struct coalition c, struct game game, const uint16_t *member, int count,
                                          int i, double cross)
{
    const double own = game.product[(int64_t)i * game.agents + i];
    struct coalition without = {c.square + own - 2 * cross, c.dot - game.dot[i], c.members - own};
    if (without.square < SHRUNK * c.square || without.members < SHRUNK * c.members)
        without = coalition_of(game, member, count, i);
    return without;
}

#endif
