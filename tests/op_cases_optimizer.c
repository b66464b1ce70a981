/* Steps of the optimizers, with and without limits, and the norms that the last one leaves. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "op_cases.h"
#include "op_frame.h"
#include "reference.h"

enum optimizer_kind { PLAIN, MOMENTUM, ADAM };

/* One agent's sums for its norm: left by the last step of a round, and by no other. */
static void check_norms(double *partial, const float *update, const float *model, int64_t dimension, int last)
{
    for (int64_t begin = 0; begin < dimension; begin += CHUNK_COLUMNS, partial += NORM_SUMS) {
        const int64_t n = dimension - begin < CHUNK_COLUMNS ? dimension - begin : CHUNK_COLUMNS;
        double want[NORM_SUMS], size[NORM_SUMS];
        reference_norm_sums(want, size, update + begin, model + begin, n);
        for (int i = 0; i < NORM_SUMS && last; i++) near("norm sums", i, partial[i], want[i], 1e-12 * size[i]);
        if (!last) untouched("norm sums", partial, 2 * NORM_SUMS);
    }
}

/* `active` of `all` rows take `steps` steps; each is compared from the state before it. */
static void optimizer_case(enum optimizer_kind kind, int all, int active, int64_t dimension, double scale,
                           double decay)
{
    static const char *const names[] = {"SGD", "SGD with momentum", "Adam"};
    case_begin("%s rows %d of %d D%lld scale %g decay %g", names[kind], active, all, (long long)dimension, scale,
               decay);
    const int64_t ld = dimension + 5, agents = all, models = all + 1;
    struct row *row = TAKE(struct row, all);
    for (int r = 0; r < all; r++) {
        const int agent = all - 1 - r;
        row[r] = (struct row){.agent = agent, .model = agent + 1, .samples = 100 - 30 * r, .lr = 0.1 / (r + 1)};
        if (row[r].samples < 1) row[r].samples = 1;
        if (r % 3 == 0 && all > 1) row[r].mu = 0.3;
        if (r % 3 == 1) row[r].agent = -1; /* a twin */
        row[r].alone = r % 3 > 0;          /* as a twin, or is one */
    }
    float *work = TAKE(float, all * ld), *update = TAKE(float, agents * ld), *model = take_random(models * ld, 1);
    struct loss_sums *sums = TAKE(struct loss_sums, all);
    float *gradient = take_random(all * ld, scale);
    float *moment1 = TAKE(float, all * ld), *moment2 = TAKE(float, all * ld);
    double *lr = TAKE(double, all);
    int *round = TAKE(int, 1);

    error_free(k->round_begin(stream, work, update, model, sums, row, all, dimension, ld));
    for (int r = 0; r < all; r++) {
        if (sums[r].loss != 0 || sums[r].correct != 0 || sums[r].samples != 0) fail("sums[%d] not zero", r);
        for (int64_t d = 0; d < dimension; d++) {
            same("model in training", d, work[r * ld + d], model[row[r].model * ld + d]);
            if (row[r].agent >= 0) same("update", d, update[row[r].agent * ld + d], 0);
        }
        untouched("work", work + r * ld + dimension, ld - dimension);
    }
    for (int64_t d = 0; d < all * ld; d++) moment1[d] = moment2[d] = 0;

    float *w_old = TAKE(float, all * ld), *u_old = TAKE(float, agents * ld), *v_old = TAKE(float, all * ld),
          *s_old = TAKE(float, all * ld), *g_old = TAKE(float, all * ld);
    const int batch = 32, epochs = 3;
    const int64_t pieces = (dimension + CHUNK_COLUMNS - 1) / CHUNK_COLUMNS;
    double *norm_partial = TAKE(double, agents * pieces * NORM_SUMS);
    const double momentum = kind == PLAIN ? 0 : 0.9;
    for (int step = 0; step < 5; step++) {
        /* The last two are the last of a round for rows of four and of two batches. */
        static const int epoch_of[] = {0, 0, 1, 2, 2}, number_of[] = {0, 1, 0, 3, 1};
        *round = step >= 2 ? 4 : 0;
        const int epoch = epoch_of[step], number = number_of[step];
        memset(norm_partial, 0xff, (size_t)(agents * pieces * NORM_SUMS) * sizeof *norm_partial);
        error_free(k->epoch_begin(stream, lr, row, round, all, 0.97, step >= 2, epochs, epoch));
        for (int r = 0; r < all; r++) {
            const double want = row[r].lr * pow(0.97, step >= 2 ? *round * epochs + epoch : *round);
            near("lr", r, lr[r], want, 1e-14 * want);
        }
        memcpy(w_old, work, (size_t)(all * ld) * sizeof *work);
        memcpy(u_old, update, (size_t)(agents * ld) * sizeof *work);
        memcpy(v_old, moment1, (size_t)(all * ld) * sizeof *work);
        memcpy(s_old, moment2, (size_t)(all * ld) * sizeof *work);
        memcpy(g_old, gradient, (size_t)(all * ld) * sizeof *work);
        struct optimizer_step o = {work, update, model, gradient, kind == PLAIN ? NULL : moment1,
                                   kind == ADAM ? moment2 : NULL, row, lr, round, dimension, ld, active, momentum,
                                   batch, epochs, epoch, number, norm_partial, decay, {0}, 0};
        error_free(k->optimize(stream, o));
        for (int r = 0; r < all; r++) {
            const int agent = row[r].agent;
            if (r >= active) { /* not launched: as before */
                if (memcmp(work + r * ld, w_old + r * ld, (size_t)ld * sizeof *work)) fail("row %d changed", r);
                if (agent >= 0 && memcmp(update + agent * ld, u_old + agent * ld, (size_t)ld * sizeof *work))
                    fail("update of row %d changed", r);
                if (memcmp(moment1 + r * ld, v_old + r * ld, (size_t)ld * sizeof *work)) fail("moment of row %d", r);
                continue;
            }
            const double per_epoch = ceil(row[r].samples / (double)batch);
            const double t = (*round * epochs + epoch) * per_epoch + number + 1;
            for (int64_t d = 0; d < dimension; d++) {
                const int64_t i = r * ld + d;
                const double pull = agent >= 0 ? row[r].mu * u_old[agent * ld + d] : 0;
                double first = v_old[i], second = s_old[i], g = g_old[i] + pull + decay * w_old[i];
                const double g_size = fabs((double)g_old[i]) + fabs(pull) + fabs(decay * w_old[i]);
                if (pull == 0 && decay == 0) same("gradient", i, gradient[i], g_old[i]);
                const double change = kind == ADAM ? reference_adam(&first, &second, g, lr[r], t)
                                                   : reference_sgd(&first, g, lr[r], momentum);
                /* What the float32 moments may be off by moves the change as much. */
                const double first_bound = 4 * FLT_EPSILON * (fabs((double)v_old[i]) + g_size);
                const double size = fabs(change) + fabs(change) * first_bound / (fabs(first) + 1e-300);
                double change_bound = 8 * FLT_EPSILON * size;
                change_bound += fabs(change) * first_bound / (fabs(first) + 1e-300) + 1e-37;
                if (kind != PLAIN) near("moment1", i, moment1[i], first, first_bound);
                if (kind == ADAM)
                    near("moment2", i, moment2[i], second,
                         4 * FLT_EPSILON * second + FLT_EPSILON * fabs(g) * g_size + 1e-44);
                if (agent >= 0 && row[r].alone)
                    same("update of who trains alone", i, update[agent * ld + d],
                         work[i] - model[row[r].model * ld + d]);
                if (agent >= 0 && !row[r].alone) {
                    const double u = u_old[agent * ld + d] + change;
                    near("update", i, update[agent * ld + d], u, change_bound + FLT_EPSILON * fabs(u));
                    same("model", i, work[i], model[row[r].model * ld + d] + update[agent * ld + d]);
                } else
                    near("twin", i, work[i], w_old[i] + change, change_bound + FLT_EPSILON * fabs(w_old[i] + change));
            }
            if (memcmp(work + r * ld + dimension, w_old + r * ld + dimension, (size_t)(ld - dimension) * sizeof *work))
                fail("row %d: written past D", r);
            if (agent >= 0 && !row[r].alone) /* whose update float32 may have rounded */
                check_norms(norm_partial + agent * pieces * NORM_SUMS, update + agent * ld,
                            model + row[r].model * ld, dimension, epoch == epochs - 1 && number == per_epoch - 1);
        }
    }
    for (int a = 0; a < agents; a++) untouched("update", update + a * ld + dimension, ld - dimension);

    float *before = TAKE(float, models * ld);
    memcpy(before, model, (size_t)(models * ld) * sizeof *model);
    error_free(k->keep_alone(stream, model, work, row, all, dimension, ld));
    for (int r = 0; r < all; r++)
        for (int64_t d = 0, at = row[r].model * ld; d < dimension; d++, at++)
            same("kept model", at, model[at], row[r].alone ? work[r * ld + d] : before[at]);
    case_end();
}

void optimizer_cases(void)
{
    for (int kind = 0; kind < 3; kind++) {
        optimizer_case((enum optimizer_kind)kind, 1, 1, 1, 1, 0);
        optimizer_case((enum optimizer_kind)kind, 3, 2, 33, 1e-3, 0.01);
        optimizer_case((enum optimizer_kind)kind, 4, 3, 4095, 1, 0);
        optimizer_case((enum optimizer_kind)kind, 2, 1, 4097, 1e-6, 0);
        if (!op_cases_small) optimizer_case((enum optimizer_kind)kind, 5, 5, 12289, 1, 0.5);
    }
}
