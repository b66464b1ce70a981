/* A piece of each side is rounded into a buffer of its own and goes to OpenBLAS from there: that costs a pass over
 * each side for every piece of the other, and no memory. */
#include "device/rounded_product.h"

#include <cblas.h>

#include "kernels/rounding.h"

enum { PIECE = 64 }; /* rows, columns and terms */

static int smaller(int a, int b) { return a < b ? a : b; }

/* to[rows][columns] = the matrix at `from`, whose rows are ld apart. */
static void round_piece(float to[PIECE][PIECE], const float *from, int64_t ld, int rows, int columns,
                        cgsv_precision precision)
{
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            const float x = from[i * ld + j];
            to[i][j] = precision == CGSV_PRECISION_TF32 ? rounded_tf32(x) : rounded_bf16(x);
        }
}

void rounded_product(const struct product *p, float *c, const float *a, const float *b, int m, int n)
{
    float left[PIECE][PIECE], right[PIECE][PIECE];
    for (int j = 0; j < n; j += PIECE)
        for (int k = 0; k < p->k; k += PIECE) {
            const int columns = smaller(n - j, PIECE), terms = smaller(p->k - k, PIECE);
            if (p->transpose_b)
                round_piece(right, b + j * p->ldb + k, p->ldb, columns, terms, p->precision);
            else
                round_piece(right, b + k * p->ldb + j, p->ldb, terms, columns, p->precision);
            for (int i = 0; i < m; i += PIECE) {
                const int rows = smaller(m - i, PIECE);
                if (p->transpose_a)
                    round_piece(left, a + k * p->lda + i, p->lda, terms, rows, p->precision);
                else
                    round_piece(left, a + i * p->lda + k, p->lda, rows, terms, p->precision);
                cblas_sgemm(CblasRowMajor, p->transpose_a ? CblasTrans : CblasNoTrans,
                            p->transpose_b ? CblasTrans : CblasNoTrans, rows, columns, terms, 1.0f, left[0], PIECE,
                            right[0], PIECE, k > 0 || p->accumulate ? 1.0f : 0.0f, c + i * p->ldc + j, (int)p->ldc);
            }
        }
}
